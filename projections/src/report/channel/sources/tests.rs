use super::*;

#[track_caller]
fn falls_under(referrer: &str, entry: &str, site: Site) {
    let found = SOURCES.of_referrer(referrer);
    assert_eq!(found, Some((entry.to_owned(), site)), "{referrer}");
    assert_eq!(site_of_entry(entry), Some(site), "{entry} is known again when it is read");
}

#[track_caller]
fn falls_under_nothing(referrer: &str) {
    assert_eq!(source_entry(referrer), None, "{referrer}");
}

#[test]
fn the_most_particular_entry_wins() {
    falls_under("https://www.google.com/search?q=x", "google.*", Site::Search);
    falls_under("https://groups.google.com/g/x", "groups.google.*", Site::Social);
    falls_under("https://gemini.google.com/app", "gemini.google.*", Site::Assistant);
    falls_under("https://shopping.google.co.uk/", "shopping.google.*", Site::Shopping);
    falls_under("https://m.blog.naver.com/x", "blog.naver.com", Site::Social);
    falls_under("https://yuanbao.tencent.com/", "yuanbao.tencent.com", Site::Assistant);
    falls_under("https://tencent.com/", "tencent.com", Site::Social);
    falls_under("https://music.amazon.de/", "amazon.*", Site::Shopping);
    falls_under("https://signin.aws.amazon.com/", "signin.aws.amazon.*", Site::Referral);
}

#[test]
fn a_brand_counts_only_in_front_of_a_suffix_of_a_registry() {
    for host in ["google.com", "google.co.uk", "www.google.com.au", "google.de.", "GOOGLE.fr"] {
        falls_under(&format!("https://{host}/"), "google.*", Site::Search);
    }
    for host in [
        "google.example.com",
        "google.blogspot.com",
        "google.github.io",
        "google.com.example.org",
        "notgoogle.com",
        "google-search.com",
        "google.internal",
        "google",
        "facebook.com.login.example",
        "bing.pages.dev",
        "bing.co.uk",
    ] {
        falls_under_nothing(&format!("https://{host}/"));
    }
}

#[test]
fn hosts_below_a_private_suffix_are_their_owners() {
    falls_under("https://blogspot.com/", "blogspot.com", Site::Social);
    falls_under("https://www.blogspot.com/", "blogspot.com", Site::Social);
    falls_under("https://s3.amazonaws.com/bucket", "s3.amazonaws.com", Site::Shopping);
    falls_under_nothing("https://somebody.blogspot.com/");
    falls_under_nothing("https://bucket.s3.amazonaws.com/");
    falls_under_nothing("https://search.github.io/");
    falls_under_nothing("https://example-com.translate.goog/");
}

#[test]
fn mail_sign_in_documents_and_news_of_a_search_engine_are_no_search() {
    for (host, entry) in [
        ("mail.google.com", "mail.google.*"),
        ("accounts.google.de", "accounts.google.*"),
        ("docs.google.com", "docs.google.*"),
        ("calendar.google.com", "*.google.*"),
        ("console.cloud.google.com", "*.google.*"),
        ("support.google.com", "*.google.*"),
        ("mail.yahoo.com", "*.yahoo.*"),
        ("login.yahoo.com", "*.yahoo.*"),
        ("finance.yahoo.com", "*.yahoo.*"),
        ("uk.news.yahoo.com", "*.yahoo.*"),
        ("passport.yandex.ru", "*.yandex.*"),
        ("mail.yandex.com", "*.yandex.*"),
        ("mail.aol.com", "*.aol.*"),
        ("nid.naver.com", "*.naver.com"),
        ("baike.baidu.com", "*.baidu.com"),
        ("community.brave.com", "*.brave.com"),
        ("g1.globo.com", "*.globo.com"),
    ] {
        falls_under(&format!("https://{host}/"), entry, Site::Referral);
    }
}

#[test]
fn pages_of_results_are_searches() {
    for host in [
        "www.bing.com",
        "cn.bing.com",
        "r.search.yahoo.com",
        "de.images.search.yahoo.com",
        "search.yahoo.co.jp",
        "search.aol.co.uk",
        "suche.aol.de",
        "m.search.naver.com",
        "image.baidu.com",
        "html.duckduckgo.com",
        "images.google.at",
        "news.google.com",
        "s20-us4.startpage.com",
        "search.brave.com",
        "lite.qwant.com",
        "isearch.avg.com",
    ] {
        let found = SOURCES.of_referrer(&format!("https://{host}/"));
        assert_eq!(found.map(|(_, site)| site), Some(Site::Search), "{host}");
    }
}

#[test]
fn apps_are_known_by_their_name_or_number() {
    let telegram = "android-app://org.telegram.messenger";
    falls_under("android-app://com.Pinterest/", "android-app://com.pinterest", Site::Social);
    falls_under("ios-app://429047995/pinterest", "ios-app://429047995", Site::Social);
    falls_under(telegram, telegram, Site::Social);
    let google = "android-app://com.google.android.googlequicksearchbox";
    falls_under(&format!("{google}/https/www.google.com"), google, Site::Search);
    falls_under("android-app://com.google.android.gm/", "android-app://*", Site::Referral);
    falls_under("android-app://com.example.google.app/", "android-app://*", Site::Referral);
    falls_under("ios-app://1/", "ios-app://*", Site::Referral);
    assert_eq!(site_of_domain("com.reddit.frontpage"), Some(Site::Social));
    falls_under_nothing("https://com.reddit.frontpage/");
}

#[test]
fn a_name_that_is_a_common_word_is_no_domain() {
    assert_eq!(site_of_name("line"), Some(Site::Social));
    assert_eq!(site_of_name("google shopping"), Some(Site::Shopping));
    assert_eq!(site_of_domain("line"), None, "a host of one label is in an intranet");
    falls_under_nothing("https://line.com/");
    falls_under_nothing("https://gemini.com/");
    falls_under_nothing("http://social/");
}

#[test]
fn a_source_may_be_a_whole_address() {
    assert_eq!(site_of_name("https://www.google.com/search"), Some(Site::Search));
    assert_eq!(site_of_name("facebook.com/groups"), Some(Site::Social));
    assert_eq!(site_of_name("mail.google.com"), Some(Site::Referral));
    assert_eq!(site_of_name("chat.example"), None);
}

#[test]
fn an_entry_that_is_not_listed_says_nothing() {
    for entry in ["", "*", "*.", "no.such.site", "*.no.such.site", "google.com"] {
        assert_eq!(site_of_entry(entry), None, "{entry:?}");
    }
    assert_eq!(site_of_entry("*.twitch.tv"), Some(Site::Video));
}

#[test]
fn whatever_is_no_web_address_falls_under_nothing() {
    let long = format!("https://{}google.com/", "a.".repeat(2000));
    for referrer in [
        "",
        "google.com",
        "ftp://google.com/",
        "https://",
        "https://./",
        "https://../",
        "http://192.0.2.1/",
        "http://[2001:db8::1]/",
        "https://google.com\u{0}/",
        "android-app://",
        "about:blank",
        &long,
    ] {
        falls_under_nothing(referrer);
    }
    let many = "a".repeat(100_000);
    for name in ["", ".", "..", "://", "\u{202e}moc.elgoog", "%ff", "g\u{f6}\u{f6}gle.com", &many] {
        assert_eq!(site_of_name(name), None, "{name:.20}");
    }
}

#[test]
fn the_list_is_dated_and_has_no_entry_twice() {
    let digits = SOURCE_LIST_DATE.bytes().enumerate();
    let dated = digits
        .map(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() });
    assert!(dated.into_iter().all(|right| right), "{SOURCE_LIST_DATE}");
    let mut seen = std::collections::HashSet::new();
    for line in LIST.lines().skip(1).filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (kind, rest) = line.split_once(' ').expect("a kind and entries");
        let known = Site::parse(kind).is_some() || ["below-search", "search-word"].contains(&kind);
        assert!(known, "{line}");
        assert_eq!(line, line.to_lowercase(), "entries are in lower case");
        for entry in words(rest) {
            let label = kind.contains('-') || entry.contains(['.', ':', '"']);
            let whole = if label { "" } else { ".com" };
            assert!(seen.insert(format!("{entry}{whole}")), "{entry} is there twice");
        }
    }
}
