//! `brigade serve`: the server of the experiments, for use by hand.

use crate::{
    scenario::{CommandError, Exit, Scenario},
    server::{ROUTES_HELP, Server},
    show::Output,
};
use clap::{Arg, ArgMatches, Command};
use serde_json::json;

/// The scenario.
pub static SCENARIO: Scenario = Scenario {
    name: "serve",
    about: "Serve /delay, /status and /bytes here until Ctrl-C",
    idea: "A server is the other side of I/O-bound work: it waits for many clients at once, here on one thread.",
    made_by: &["runtime/src/net/tcp_listener.rs::accept", "demos/src/server/mod.rs::start"],
    examples: &["serve"],
    takes_speed: false,
    takes_workers: false,
    arguments,
    show,
};

fn arguments(command: Command) -> Command {
    let port = Arg::new("port")
        .long("port")
        .value_name("P")
        .value_parser(port)
        .allow_negative_numbers(true)
        .default_value("8080");
    command.arg(port.help("The port; 0 lets the system choose one"))
}

fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("not a port, which is a whole number from 0 to {}", u16::MAX))
}

fn show(output: &Output, matches: &ArgMatches) -> Result<Exit, CommandError> {
    let port = *matches.get_one::<u16>("port").expect("the port has a default");
    let server = Server::start(port)
        .map_err(|error| CommandError::failed(&format!("cannot listen on 127.0.0.1:{port}"), error))?;
    let url = server.url("/");
    output.record("server", &json!({ "url": url, "port": server.address().port() }));
    ROUTES_HELP.lines().for_each(|line| output.line(format_args!("  {line}")));
    output.line("");
    // The last line, so that a program that waits for it may close the pipe afterwards.
    output.line(format_args!("Serving on {url}   (Ctrl-C ends it)"));
    server.serve_for_ever();
    Ok(Exit::SUCCESS)
}
