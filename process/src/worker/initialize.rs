//! How a worker carries out its [`Setup`], before its first call.

use crate::{
    call::entry::{self, Name, Outcome},
    image::Image,
    sys,
    system::interrupts,
    wire::setup::Setup,
};

impl Setup {
    /// Carries the setup out in the worker.
    ///
    /// # Errors
    ///
    /// The reason why there can be no worker.
    pub(crate) fn carry_out(&self) -> Result<(), String> {
        let ours = Image::get().fingerprint;
        if self.fingerprint != ours {
            let theirs = self.fingerprint;
            return Err(format!(
                "the pool runs another build (fingerprint {theirs:016x}, the worker's is {ours:016x})"
            ));
        }
        if self.leaves_interrupts {
            interrupts::leave_to_owner()
                .map_err(|error| format!("leaving interrupts to the pool's process: {error}"))?;
        }
        if self.nice != 0 {
            sys::be_nice(self.nice).map_err(|error| format!("setting its niceness: {error}"))?;
        }
        if !self.cpus.is_empty() {
            let cpus = &self.cpus[self.index % self.cpus.len()];
            sys::stay_on(cpus).map_err(|error| format!("staying on the CPUs {cpus:?}: {error}"))?;
        }
        self.initialize()
    }

    fn initialize(&self) -> Result<(), String> {
        let Some((name, argument)) = &self.initializer else { return Ok(()) };
        let run = entry::lookup(Name(*name)).ok_or("its initializer is no function of this executable")?;
        match run(argument, &mut Vec::new()) {
            Outcome::Value => Ok(()),
            Outcome::Failed(why) => Err(format!("its initializer could not be called: {why}")),
            Outcome::Panicked(report) => {
                let place = report.location.map_or_else(String::new, |place| format!(", at {place}"));
                Err(format!("its initializer panicked: {}{place}", report.message))
            }
        }
    }
}
