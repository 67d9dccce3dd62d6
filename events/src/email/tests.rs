use proptest::prelude::*;

use super::*;

#[track_caller]
fn kept(text: &str) -> String {
    EmailAddress::parse(text).unwrap_or_else(|_| panic!("{text:?}")).as_str().to_owned()
}

fn is_refused(text: &str) -> bool {
    EmailAddress::parse(text).is_err()
}

#[track_caller]
fn person(text: &str) -> String {
    EmailAddress::parse(text).unwrap_or_else(|_| panic!("{text:?}")).person()
}

#[test]
fn an_address_is_trimmed_lower_cased_then_validated() {
    assert_eq!(kept("  Ada@Example.COM "), "ada@example.com");
    for bad in [
        "",
        "ada",
        "@example.com",
        "ada@",
        "ada@localhost",
        "a b@example.com",
        "ada@-x.com",
        "ada@x-.com",
        ".ada@example.com",
        "a..b@example.com",
        "ada@example..com",
        "ada@1.2.3.4",
        "ada@[192.0.2.1]",
        "ada@exa_mple.com",
        "ada@example.com\r\nbcc: x@y.z",
        "ada@example.com\0",
        "\"a b\"@example.com",
        "a@b@c.de ,",
        "ada@example.com, bob@example.com",
    ] {
        assert!(is_refused(bad), "{bad:?}");
    }
    assert!(is_refused(&format!("{}@example.com", "a".repeat(65))));
    assert!(is_refused(&format!("{}@example.com", "é".repeat(33))));
    assert!(is_refused(&format!("a@{}.com", "b.".repeat(130))));
}

#[test]
fn what_stands_around_an_address_is_no_part_of_it() {
    for text in [
        "\u{feff}ada@example.com\r\n",
        "\u{a0}ada@example.com\u{3000}",
        "<ada@example.com>",
        "Ada Lovelace <ada@example.com>",
        "\"Lovelace, Ada\" <ada@example.com>;",
        "mailto:ada@example.com",
        "MAILTO:Ada@Example.com?subject=Hello%20there",
        "<mailto:ada%40example.com>",
        "\u{201c}ada@example.com\u{201d}",
        "'ada@example.com'",
        "(ada@example.com)",
        "ada@example.com,",
        "ada@example.com.",
        "ada@example。com",
        "ada\u{200b}@exam\u{ad}ple.com\u{200e}",
        "a\u{200d}da@example\u{200c}.com",
        "ada＠example.com",
        "ａｄａ＠ｅｘａｍｐｌｅ．ｃｏｍ",
        "\"ada\"@example.com",
        "\"a\\da\"@example.com",
    ] {
        assert_eq!(kept(text), "ada@example.com", "{text:?}");
    }
    assert_eq!(kept("mailto:ada%2Bnews@example.com"), "ada+news@example.com");
    assert_eq!(kept("ada%2bnews@example.com"), "ada%2bnews@example.com");
    assert_eq!(kept("'o'hara@example.com"), "'o'hara@example.com");
}

#[test]
fn what_could_be_two_mailboxes_is_none() {
    for text in [
        "eve@example.net <ada@example.com>",
        "<ada@example.com> <eve@example.net>",
        "mailto:ada@example.com,eve@example.net",
        "mailto:ada%4@example.com",
        "ada@example.com eve@example.net",
        "ada@ example.com",
        "\u{212a}arl@example.com",
        "o\u{2019}hara@example.com",
        "\u{fb01}ona@example.com",
        "ada²@example.com",
        "a\u{2024}da@example.com",
        "a\u{e000}da@example.com",
        "a.\u{308}da@example.com",
        "가.\u{11a8}@example.com",
    ] {
        assert!(is_refused(text), "{text:?}");
    }
}

#[test]
fn both_forms_of_a_domain_are_one_address() {
    for (typed, stored, shown) in [
        ("ida@müller.example", "ida@xn--mller-kva.example", "ida@müller.example"),
        ("ida@MU\u{308}LLER.Example", "ida@xn--mller-kva.example", "ida@müller.example"),
        ("ida@XN--MLLER-KVA.example.", "ida@xn--mller-kva.example", "ida@müller.example"),
        ("ida@straße.example", "ida@xn--strae-oqa.example", "ida@straße.example"),
        ("ida@\u{4f8b}\u{3048}\u{3002}example", "ida@xn--r8jz45g.example", "ida@例え.example"),
        ("ida@नेपाल.example", "ida@xn--l2bey1c2b.example", "ida@नेपाल.example"),
        ("ida@r3---x.example", "ida@r3---x.example", "ida@r3---x.example"),
    ] {
        let address = EmailAddress::parse(typed).unwrap_or_else(|_| panic!("{typed:?}"));
        assert_eq!((address.as_str(), address.shown().as_ref()), (stored, shown), "{typed:?}");
        assert!(!address.needs_smtputf8());
    }
    for bad in [
        "ida@xn--.example",
        "ida@xn--a.example",
        "ida@xn--abc\u{fc}.example",
        "ida@xn--BCHER-9999999.example",
        "ida@a\u{300}\u{2260}<.example",
        "ida@\u{301}a.example",
        "ida@ab\u{5d0}1.example",
        &format!("ida@{}.example", "ü".repeat(60)),
    ] {
        assert!(is_refused(bad), "{bad:?}");
    }
}

#[test]
fn a_name_may_have_letters_of_every_script() {
    for (typed, stored) in [
        ("ПОЧТА@example.com", "почта@example.com"),
        ("rene\u{301}@example.com", "ren\u{e9}@example.com"),
        ("用户.一@example.com", "用户.一@example.com"),
        ("डेटा+x@example.com", "डेटा+x@example.com"),
        ("نامه\u{200c}ای@example.com", "نامه\u{200c}ای@example.com"),
        ("ΟΔΟΣ@example.com", "οδος@example.com"),
        ("col·legi@example.com", "col·legi@example.com"),
    ] {
        assert_eq!(kept(typed), stored, "{typed:?}");
        assert!(EmailAddress::parse(typed).unwrap().needs_smtputf8());
    }
}

#[test]
fn what_was_stored_stays_an_address() {
    // An earlier version did not look into A-labels.
    let old = "ada@xn--a.example";
    assert!(is_refused(old));
    assert_eq!(EmailAddress::stored(old).unwrap().shown(), old);
    for text in ["ada@example.com", "почта@example.com", "ida@xn--mller-kva.example"] {
        assert_eq!(EmailAddress::stored(text).unwrap().as_str(), kept(text));
    }
    for bad in ["", "ada", "a b@example.com", "Ada@example.com", "ada@müller.example"] {
        assert!(EmailAddress::stored(bad).is_none(), "{bad:?}");
    }
}

#[test]
fn a_person_is_one_behind_the_spellings_of_a_provider() {
    for same in [
        &["ad.a+x@googlemail.com", "ada@gmail.com", "a.d.a@gmail.com"][..],
        &["ad.a@proton.me", "ad-a+x@pm.me", "a_da@protonmail.com", "ada@protonmail.ch"],
        &["ada@icloud.com", "ada+x@me.com", "ada@mac.com"],
        &["ada@fastmail.com", "ada+x@fastmail.com", "shop@ada.fastmail.com"],
        &["ada@sent.com", "anything+x@ada.sent.com"],
        &["base-shop@yahoo.com", "base-news@yahoo.com", "base-a-b+x@yahoo.com"],
        &["ad.a@yandex.ru", "ad-a@yandex.com", "ad.a+x@ya.ru", "ad-a@narod.ru"],
        &["ada@posteo.de", "ada+x@posteo.net", "ada@posteo.uk"],
        &["shop@ada.mozmail.com", "news@ada.mozmail.com"],
        &["ada@outlook.com", "ada+x@outlook.com"],
        &["ada@zohomail.eu", "ada+x@zohomail.eu"],
        &["ada+promo@example.com", "ada@example.com", "ADA+a+b@example.com"],
        &["ida+x@müller.example", "ida@xn--mller-kva.example"],
        &["почта+x@example.com", "Почта@example.com"],
    ] {
        for other in same {
            assert_eq!(person(other), person(same[0]), "{other}");
        }
    }
}

#[test]
fn other_mailboxes_are_other_persons() {
    for (one, other) in [
        ("a.da@example.com", "ada@example.com"),
        ("a-da@example.com", "ada@example.com"),
        ("a.da@outlook.com", "ada@outlook.com"),
        ("ada@outlook.com", "ada@hotmail.com"),
        ("a.da@icloud.com", "ada@icloud.com"),
        ("ada@fastmail.com", "ada@fastmail.fm"),
        ("shop@ada.fastmail.com", "shop@bob.fastmail.com"),
        ("shop@ada.mozmail.com", "shop@bob.mozmail.com"),
        ("shop@ada.example.com", "ada@example.com"),
        ("base-shop@yahoo.com", "base@yahoo.com"),
        ("base-shop@yahoo.com", "other-shop@yahoo.com"),
        ("a.da@yahoo.com", "ada@yahoo.com"),
        ("ad.a@yandex.ru", "ada@yandex.ru"),
        ("ada@mail.ru", "ada@inbox.ru"),
        ("ada+x@tuta.com", "ada@tuta.com"),
        ("ada+x@web.de", "ada@web.de"),
        ("ada@qq.com", "ada@foxmail.com"),
        ("+a@example.com", "+b@example.com"),
        ("-_-@proton.me", "__@proton.me"),
    ] {
        assert_ne!(person(one), person(other), "{one} {other}");
    }
}

/// Returns addresses of the kinds that the rules tell apart, and some that are none.
fn addresses() -> impl Strategy<Value = String> {
    let name = "[a-z.+_'\"-]{0,8}|[a-zA-Z０-９éÉ가-힣\u{11a8}ก-ฮ\u{200c}\u{308}.+-]{1,8}|.{0,6}";
    let domain = prop_oneof![
        Just("gmail.com".to_owned()),
        Just("pm.me".to_owned()),
        Just("yahoo.de".to_owned()),
        Just("ya.ru".to_owned()),
        "[a-z]{1,5}\\.fastmail\\.com",
        "[a-züß例é-]{1,8}\\.(example|中国|ελ)\\.?",
        "xn--[a-z0-9-]{1,8}\\.example",
        ".{0,8}",
    ];
    let around = prop_oneof![Just(("", "")), Just((" <", ">")), Just(("mailto:", ""))];
    (name, domain, around)
        .prop_map(|(name, domain, (before, after))| format!("{before}{name}@{domain}{after}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_form_that_is_kept_is_its_own(text in addresses()) {
        if let Ok(address) = EmailAddress::parse(&text) {
            let again = EmailAddress::parse(address.as_str()).unwrap();
            prop_assert_eq!(again.as_str(), address.as_str());
            prop_assert_eq!(EmailAddress::stored(address.as_str()).unwrap(), again);
            let shown = EmailAddress::parse(&address.shown()).unwrap();
            prop_assert_eq!(shown.as_str(), address.as_str());
        }
    }

    #[test]
    fn a_person_is_an_address_and_its_own_person(text in addresses()) {
        if let Ok(address) = EmailAddress::parse(&text) {
            let person = EmailAddress::parse(&address.person()).unwrap();
            prop_assert_eq!(person.as_str(), address.person());
            prop_assert_eq!(person.person(), address.person());
        }
    }

    #[test]
    fn no_text_is_a_panic(text in any::<String>(), times in 1_usize..200) {
        let _ = EmailAddress::parse(&text);
        let _ = EmailAddress::parse(&text.repeat(times));
        let _ = EmailAddress::parse(&format!("{text}@{text}.example"));
        let _ = EmailAddress::stored(&text);
    }
}
