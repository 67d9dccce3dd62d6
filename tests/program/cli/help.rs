//! What `--help` says.

use tempfile::TempDir;
use whence_projections::report::ZoneDatabase;

use crate::support::{Service, whence};

fn help(environment: &[(&str, &str)]) -> String {
    let directory = TempDir::new().unwrap();
    let mut command = whence(directory.path());
    let output = command.args(["serve", "--help"]).envs(environment.iter().copied()).output();
    let output = output.unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// The help of each flag, by its name without the dashes.
fn flags(help: &str) -> Vec<(&str, &str)> {
    let mut sections: Vec<_> = help.split("\n      --").skip(1).collect();
    // The last section, -h, has a short form and so another indentation.
    let last = sections.last_mut().unwrap();
    *last = last.split("\n  -h, --help").next().unwrap();
    sections
        .into_iter()
        .map(|section| (section.split([' ', '\n', '[']).next().unwrap(), section))
        .collect()
}

#[test]
fn every_flag_has_a_line_of_help_and_a_variable_of_its_name() {
    let help = help(&[]);
    let flags = flags(&help);
    assert!(flags.len() >= 26, "only {} flags were found", flags.len());
    for (flag, text) in flags {
        let variable = format!("[env: WHENCE_{}", flag.replace('-', "_").to_uppercase());
        assert!(
            text.contains(&format!("{variable}]")) || text.contains(&format!("{variable}=]")),
            "--{flag} has no {variable}"
        );
        let line = text.lines().nth(1).unwrap_or("").trim();
        assert!(line.split(' ').count() >= 3 && !line.starts_with('['), "--{flag} has no help");
    }
}

#[test]
fn help_shows_no_secret_of_the_environment() {
    let help = help(&[
        ("WHENCE_MASTER_KEY", "deadbeef"),
        ("WHENCE_MAIL", "smtp://ada:hunter2@mail.example.com"),
        ("WHENCE_STORE", "postgres://ada:hunter2@db.example.com/whence"),
        ("WHENCE_SITE_NAME", "Example"),
    ]);
    assert!(help.contains("[env: WHENCE_SITE_NAME=Example]"), "others are shown");
    assert!(!help.contains("deadbeef") && !help.contains("hunter2"), "{help}");
}

#[test]
fn help_fits_100_columns() {
    for line in help(&[]).lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn variables_count_and_flags_win_over_them() {
    let directory = TempDir::new().unwrap();
    let mut command = whence(directory.path());
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    command.env("WHENCE_LISTEN", "nonsense").env("WHENCE_STORE", "sqlite:elsewhere");
    command.env("WHENCE_DEVELOPMENT", "yes").env("WHENCE_PUBLIC_URL", "https://x.example.com");
    // A variable that is set to nothing is not set.
    command.env("WHENCE_MAIL", "").env("WHENCE_REFERRAL_WINDOW_DAYS", "");
    command.env("WHENCE_CODE_IN_SUBJECT", "").env("WHENCE_MASTER_KEY", "");
    let service = Service::run(command);
    assert_eq!(service.started["fields"]["store"], "elsewhere");
    assert_eq!(service.started["fields"]["public_url"], "https://x.example.com/");
    assert_eq!(service.stop().0, Some(0));
    assert!(directory.path().join("elsewhere/master.key").exists());
}

#[test]
fn a_bad_variable_is_told_like_a_bad_flag() {
    let directory = TempDir::new().unwrap();
    let mut command = whence(directory.path());
    let output = command.arg("serve").env("WHENCE_STARTS_PER_CLIENT", "-1").output().unwrap();
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "whence: invalid value '-1' for '--starts-per-client <N>': -1 is not in 0..=4294967295 \
         (see --help)\n"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_version_is_told() {
    let directory = TempDir::new().unwrap();
    let output = whence(directory.path()).arg("--version").output().unwrap();
    let release = ZoneDatabase::Bundled.release();
    let expected = format!("whence {} (time zones {release})\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}
