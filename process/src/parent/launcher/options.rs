//! The methods that the launchers of known commands share. Both have the fields `argv` and `options`.

/// Makes the methods, each with the documentation that is given.
macro_rules! options {
    (
        $(#[$option:meta])* option;
        $(#[$program:meta])* program;
        $(#[$start_limit:meta])* start_limit;
    ) => {
        $(#[$option])*
        #[must_use]
        pub fn option(mut self, word: impl Into<OsString>) -> Self {
            self.options.push(word.into());
            self
        }

        $(#[$program])*
        #[must_use]
        pub fn program(mut self, path: impl Into<PathBuf>) -> Self {
            self.argv = self.argv.program(path);
            self
        }

        $(#[$start_limit])*
        #[must_use]
        pub fn start_limit(mut self, limit: Duration) -> Self {
            self.argv = self.argv.start_limit(limit);
            self
        }
    };
}
pub(super) use options;
