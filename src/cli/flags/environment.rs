//! The command line and the environment: the only file that reads variables.

use clap::Command;
use clap::builder::Resettable;

/// Parses the command line, with variables of the environment for flags that are not given. A variable
/// that is set to nothing counts as not set: that is how a compose file or a unit file leaves one out.
/// The error is also the help that was asked for.
pub(crate) fn parse<P: clap::Parser>() -> Result<P, clap::Error> {
    fn without_empty(command: Command) -> Command {
        command
            .mut_args(|arg| if is_set_to_nothing(&arg) { arg.env(Resettable::Reset) } else { arg })
            .mut_subcommands(without_empty)
    }
    let command = without_empty(P::command());
    P::from_arg_matches(&command.try_get_matches()?)
}

#[expect(clippy::disallowed_methods, reason = "this file reads the environment")]
fn is_set_to_nothing(arg: &clap::Arg) -> bool {
    arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty())
}

/// Returns the directory in which systemd passes credentials on
/// (<https://systemd.io/CREDENTIALS>).
#[expect(clippy::disallowed_methods, reason = "this file reads the environment")]
pub(crate) fn credentials_directory() -> Option<std::path::PathBuf> {
    std::env::var_os("CREDENTIALS_DIRECTORY").filter(|path| !path.is_empty()).map(Into::into)
}

/// Returns whether the user wants no colours (<https://no-color.org>).
#[expect(clippy::disallowed_methods, reason = "this file reads the environment")]
pub(crate) fn no_color() -> bool {
    std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// Returns the name that the user of this machine is logged in with.
#[expect(clippy::disallowed_methods, reason = "this file reads the environment")]
pub(crate) fn name_on_this_machine() -> Option<String> {
    ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok())
}
