//! `whence demo`.

use tempfile::TempDir;

use crate::support::{contents, whence};

#[test]
fn the_demo_shows_the_whole_journey_and_leaves_nothing_behind() {
    let directory = TempDir::new().unwrap();
    let temporary = directory.path().join("tmp");
    std::fs::create_dir(&temporary).unwrap();
    let mut command = whence(directory.path());
    // Neither a production setting nor a colour of the environment gets into it.
    command.env("TMPDIR", &temporary).env("WHENCE_PUBLIC_URL", "https://x.example.com");
    let output = command.arg("demo").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert!(output.status.success(), "{said}");

    let mut rest = said.as_str();
    for essential in [
        "1. Alice logs in",
        "POST /v1/auth/email/start {\"email\":\"alice@example.com\"}",
        "LoginStarted.v1            mailbox-..",
        "email=sealed",
        "mail to alice@example.com: your code: ",
        "CodeVerified.v1",
        "UserRegistered.v1",
        "AttributionCaptured.v2",
        "SessionOpened.v1",
        "2. Behind the answer",
        "ReferralCodeIssued.v1",
        "SubscriptionProvisioned.v1",
        "WelcomeEmailSent.v1",
        "3. Bob follows her link",
        "< 302 to http://127.0.0.1:",
        "cookies: ref_code, whence_touch",
        "TouchRecorded.v2           touch-..",
        "referrer_url=sealed",
        "4. Bob logs in",
        "first_referrer_url=sealed",
        "ReferralAttributed.v1      user-..",
        "5. Who am I?",
        "6. Whence did he come?",
        "\"firstReferrerUrl\": \"https://blog.example.org/best-tools\"",
        "\"utmCampaign\": \"spring\"",
        "\"registrationDevice\": \"mobile\"",
        "\"registrationCountry\": \"DE\"",
        "7. Asked again",
        "{\"attributed\":false,\"reason\":\"already_attributed\"}",
        "8. Alice sees",
        "invitees: 1",
        "9. Bob logs out",
        "SessionRevoked.v1",
        "< 401",
        "whence serve",
        "README.md",
    ] {
        let Some((_, after)) = rest.split_once(essential) else {
            panic!("{essential:?} is not where it should be in:\n{said}")
        };
        rest = after;
    }
    assert!(!said.contains('\u{1b}'), "no colours where there is no terminal");
    assert!(said.lines().all(|line| line.chars().count() <= 100), "{said}");
    assert!(contents(&temporary).is_empty(), "its directory is gone");
}

#[test]
fn a_demo_that_cannot_run_fails() {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("file"), "").unwrap();
    let mut command = whence(directory.path());
    let output = command.arg("demo").env("TMPDIR", "file").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("whence: ") && said.lines().count() == 1, "{said}");
}
