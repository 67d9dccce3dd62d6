//! Programs and people of today, by kind; public lists are held against the rules elsewhere.

use super::*;

/// The agent of a browser on a system, with what an app adds to it.
fn browser(system: &str, more: &str) -> String {
    format!(
        "Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 \
         Safari/537.36{more}"
    )
}

#[track_caller]
fn all_are(bot: bool, agents: &[&str]) {
    for agent in agents {
        assert_eq!(is_bot(Some(agent)), bot, "{agent}");
    }
}

#[test]
fn no_agent_is_a_program() {
    assert!(is_bot(None));
    all_are(true, &["", "-", "Mozilla/5.0", "null", "()"]);
}

#[test]
fn previews_of_mail_and_chat_are_programs() {
    all_are(
        true,
        &[
            "WhatsApp/2.24.11.78 A",
            "WhatsApp/2",
            "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
            "Slack-ImgProxy (+https://api.slack.com/robots)",
            "TelegramBot (like TwitterBot)",
            "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
            "facebookexternalhit/1.1;line-poker/1.0",
            "kakaotalk-scrap/1.0",
            "Bluesky Cardyb/1.1",
            "Mastodon/4.3.0 (http.rb/5.2.0)",
            "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
        ],
    );
}

#[test]
fn scanners_of_mail_and_sites_are_programs() {
    all_are(
        true,
        &["BarracudaCentral/1.0", "Mimecast/7 url", "Nmap Scripting Engine", "zgrab/0.x"],
    );
    for name in [" Proofpoint/1.0", " SafeLinks", " Barracuda Sentinel (EE)", " VirusTotal"] {
        assert!(is_bot(Some(&browser("Windows NT 10.0; Win64; x64", name))), "{name}");
    }
}

#[test]
fn search_engines_and_assistants_are_programs() {
    all_are(
        true,
        &[
            "Mozilla/5.0 (compatible; YandexBot/3.0)",
            "Mozilla/5.0 (compatible; Yahoo! Slurp; 3.0)",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko); compatible; ChatGPT-User/1.0",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Claude-User/1.0)",
            "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; NewName/1.0) Chrome/131",
            "meta-externalagent/1.1",
            "Mozilla/5.0 (Linux; Android 14; Pixel 8) Chrome/131 Mobile (compatible; GoogleOther)",
        ],
    );
}

#[test]
fn libraries_and_driven_browsers_are_programs() {
    all_are(
        true,
        &[
            "curl/8.11.0",
            "python-httpx/0.28.0",
            "Go-http-client/2.0",
            "Java/21.0.5",
            "node",
            "Dart/3.5 (dart:io)",
            "MyCompany-Importer/3 (nightly)",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
             HeadlessChrome/131.0.0.0 Safari/537.36",
        ],
    );
    for name in [" Playwright/1.49.0", " Cypress/13", " PTST/241121.1", " Chrome-Lighthouse"] {
        assert!(is_bot(Some(&browser("X11; Linux x86_64", name))), "{name}");
    }
}

#[test]
fn in_app_browsers_are_people() {
    let phone = "iPhone; CPU iPhone OS 18_1 like Mac OS X";
    for app in [
        " WhatsApp/2.24.24",
        " [FBAN/FBIOS;FBAV/490.0.0.37.85;FBDV/iPhone16,1;FBOP/5]",
        " Instagram 358.0.0.24.100 (iPhone16,1; iOS 18_1; en_US@calendar=gregorian; en; scale=3.00)",
        " Line/14.19.1",
        " GSA/343.0.695551749",
        " [Pinterest/iOS]",
        " [LinkedInApp]/9.30.1083",
        " KAKAOTALK 11.0.1",
        " MicroMessenger/8.0.53",
        " Snapchat/13.15.0.38 (like Safari/8619.2.8.10.7, panda)",
    ] {
        assert!(!is_bot(Some(&browser(phone, app))), "{app}");
    }
    let desktop = "Macintosh; Intel Mac OS X 10_15_7";
    for app in [" Slack_SSB/4.41.98", " Teams/24277.3507", " Discord/0.0.325", " OPR/115.0.0.0"] {
        assert!(!is_bot(Some(&browser(desktop, app))), "{app}");
    }
}

#[test]
fn devices_whose_names_hold_a_programs_word_are_people() {
    for device in
        ["CUBOT X90", "CUBOT_P80", "M bot 60", "Spider 8", "DROID SPYDER", "Discovery DG500"]
    {
        let system = format!("Linux; Android 14; {device} Build/UP1A");
        assert!(!is_bot(Some(&browser(&system, ""))), "{device}");
        let system = format!("Linux; U; Android 14; en-us; {device}; wv");
        assert!(!is_bot(Some(&browser(&system, ""))), "{device}");
    }
    // Not a device: it has a version of its own.
    assert!(is_bot(Some(&browser("Linux; Android 14; Pixel 8; Linkbot/2.0", ""))));
}

#[test]
fn old_and_rare_browsers_are_people() {
    all_are(
        false,
        &[
            "Mozilla/5.0 (Windows NT 10.0; WOW64; Trident/7.0; rv:11.0) like Gecko",
            "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0; .NET CLR 2.0.50727)",
            "Opera/9.80 (J2ME/MIDP; Opera Mini/7.1; U; en) Presto/2.8.119 Version/11.10",
            "Lynx/2.9.2 libwww-FM/2.14 SSL-MM/1.4.1 OpenSSL/3.0.14",
            "NetSurf/3.11 (Linux)",
            "Links (2.29; Linux 6.1 x86_64; GNU C 12.2; text)",
            "Nokia6300/2.0 (05.00) Profile/MIDP-2.0 Configuration/CLDC-1.1",
            "Mozilla/5.0 (compatible; Konqueror/4.14; Linux) KHTML/4.14 (like Gecko)",
        ],
    );
}

#[test]
fn what_is_kept_is_short_and_has_no_control_characters() {
    assert_eq!(kept(" a\u{0}b\u{85}\tc\r\n ").as_deref(), Some("abc"));
    assert_eq!(kept("\u{7f}\u{1b} \n"), None);
    let long = kept(&format!("{}é", "x".repeat(MAX_AGENT_BYTES - 1))).unwrap();
    assert_eq!(long.len(), MAX_AGENT_BYTES - 1, "cut before the character that does not fit");
}

#[test]
fn an_agent_of_any_length_and_bytes_has_a_verdict() {
    let person = browser("X11; Linux x86_64", "");
    assert!(!is_bot(Some(&format!("{person} {}", "; padding".repeat(1000)))));
    // What stands behind the bytes that are kept is not judged.
    assert!(!is_bot(Some(&format!("{person} {} Googlebot/2.1", "x".repeat(8192)))));
    for agent in ["\u{202e}".repeat(2000), "(".repeat(8192), "é".repeat(257), "compatible;".into()]
    {
        assert!(is_bot(Some(&agent)));
    }
    for at in 0..person.len() {
        let _ = is_bot(Some(&person[..at]));
    }
}
