//! Refusals: a wrong command line is told in one line, which says what to do.

use clap::{
    Arg, Command,
    error::{ContextKind, ContextValue, Error, ErrorKind},
};
use std::ffi::OsString;

/// Says what `error` found wrong in the words of a command line. `brigade` is the whole command line.
pub(crate) fn refusal(error: &Error, brigade: &Command, words: impl Iterator<Item = OsString>) -> String {
    let mut commands = words.filter_map(|word| brigade.find_subcommand(word.to_str()?));
    let command = commands.next();
    let wrong = match error.kind() {
        ErrorKind::InvalidSubcommand => return no_command(error),
        ErrorKind::UnknownArgument => unknown(error, command),
        ErrorKind::InvalidValue => no_choice(error).unwrap_or_else(|| first_paragraph(error)),
        ErrorKind::MissingRequiredArgument => missing(error, command),
        _ => first_paragraph(error),
    };
    let name = command.map_or(String::new(), |command| format!("{} ", command.get_name()));
    visible(&format!("{wrong}; see `brigade {name}--help`"))
}

/// An argument that the command cannot do without, or that another option needs.
fn missing(error: &Error, command: Option<&Command>) -> String {
    let missing = context(error, ContextKind::InvalidArg);
    let required = |command: &Command| {
        let names = command.get_positionals().filter(|argument| argument.is_required_set());
        names.map(|argument| format!(" {argument}")).collect::<String>()
    };
    match command.map(|command| (command.get_name(), required(command))) {
        Some((name, all)) if missing.starts_with('<') && !all.is_empty() => {
            let verb = if missing.contains(',') { "are" } else { "is" };
            format!("{missing} {verb} missing: write `brigade {name}{all}`")
        }
        _ => format!("{missing} is missing, which another option here needs"),
    }
}

fn no_command(error: &Error) -> String {
    let similar = context(error, ContextKind::SuggestedSubcommand);
    let hint = if similar.is_empty() { String::new() } else { format!(" (there is {similar})") };
    let name = context(error, ContextKind::InvalidSubcommand);
    visible(&format!("there is no command {name}{hint}; `brigade list` shows the scenarios"))
}

/// A word that the command does not know: perhaps the name of an argument that is given without its name.
fn unknown(error: &Error, command: Option<&Command>) -> String {
    let word = context(error, ContextKind::InvalidArg);
    let arguments = || command.into_iter().flat_map(Command::get_positionals);
    if let Some((command, argument)) =
        command.zip(arguments().find(|argument| word == format!("--{}", argument.get_id())))
    {
        let (choices, name) = (choices(argument), command.get_name());
        let first = choices.first().cloned().unwrap_or_default();
        let choices = choices.join(", ");
        return format!(
            "there is no option {word}: write the {} alone, as in `brigade {name} {first}` ({choices})",
            argument.get_id()
        );
    }
    if !word.starts_with('-') {
        let is_behind_dashes = arguments().any(Arg::is_last_set);
        let remedy = if is_behind_dashes { format!(": write -- {word}") } else { String::new() };
        return format!("{word} is not expected here{remedy}");
    }
    let similar = context(error, ContextKind::SuggestedArg);
    let hint = if similar.is_empty() { String::new() } else { format!(" (there is {similar})") };
    format!("there is no option {word}{hint} here")
}

/// A value that is none of the possible ones.
fn no_choice(error: &Error) -> Option<String> {
    let choices = context(error, ContextKind::ValidValue);
    let (value, argument) =
        (context(error, ContextKind::InvalidValue), context(error, ContextKind::InvalidArg));
    let argument = argument.trim_matches(['[', ']']).to_lowercase();
    (!choices.is_empty() && !value.is_empty()).then(|| format!("{value} is no {argument}: choose {choices}"))
}

fn choices(argument: &Arg) -> Vec<String> {
    argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect()
}

/// The notes of clap about an error under this kind.
fn context(error: &Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    }
}

/// The words of clap, without its advice.
fn first_paragraph(error: &Error) -> String {
    let page = error.render().to_string();
    let paragraph = page.split("\n\n").next().unwrap_or_default();
    paragraph.trim_start_matches("error: ").to_owned()
}

/// One line, with every character visible.
fn visible(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_holds_no_control_characters() {
        assert_eq!(visible("no\n  such\x1b[2J option"), "no such\\u{1b}[2J option");
    }
}
