//! The scenarios, one file (or folder) each, in the order of the document.

pub mod tour;

pub mod kitchen;

pub mod io;

pub mod cpu;

pub mod decide;

pub mod gil;

pub mod hello;

pub mod chain;

pub mod queue;

pub mod generator;

pub mod run;

pub mod thread;

pub mod daemon;

pub mod executor;

pub mod race;

pub mod lock;

pub mod deadlock;

pub mod producer_consumer;

pub mod cards;

pub mod serve;
