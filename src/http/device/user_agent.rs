//! The device class of a user agent: signs are collected from its words in one pass, then one
//! decision is made from them. A regex set such as uap-core's would name the model too, but costs
//! tens of megabytes and does not name a class.

use whence_events::DeviceClass;

/// What one word says about the device; several signs are collected, and `decide` weighs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Sign {
    /// A program without a person in front of it.
    Program,
    /// A console, watch, headset or car.
    Appliance,
    /// A television or a box below one.
    Tv,
    /// A tablet or e-reader, by its model or by its own word.
    Tablet,
    /// A name that is a tablet's if the system is Android, and may be anything's elsewhere.
    TabletName,
    /// A name that is a television's if the system is Android.
    TvName,
    /// A phone, by its model, maker or system.
    Phone,
    /// Android; which class depends on the other words.
    Android,
    /// The word "Mobile".
    Mobile,
    /// A page in a browser, which says "Mobile" on phones.
    Browser,
    /// A system of desktops and laptops.
    Desktop,
    /// A maker of phones above all.
    Maker,
}

/// The set of signs in one user agent, a bit for each.
#[derive(Clone, Copy, Default)]
struct Signs(u16);

impl Signs {
    fn add(&mut self, sign: Sign) {
        self.0 |= 1 << sign as u8;
    }

    fn has(self, sign: Sign) -> bool {
        self.0 & (1 << sign as u8) != 0
    }
}

/// The number of bytes that are read. Longer user agents say nothing more about the device, and the
/// bound keeps the cost of very long ones that of a normal one.
const MAX_BYTES: usize = 512;

/// Returns the class of a `User-Agent` value. Every known word is ASCII, so the value is read as
/// bytes: one that is not UTF-8, or is cut inside a character, needs no special treatment.
pub(super) fn classify(user_agent: &[u8]) -> Option<DeviceClass> {
    let mut buffer = [0; MAX_BYTES];
    let length = user_agent.len().min(MAX_BYTES);
    let lowered = &mut buffer[..length];
    lowered.copy_from_slice(&user_agent[..length]);
    lowered.make_ascii_lowercase();
    decide(read(lowered))
}

/// Decides the class from the signs. The order is the rule: the more particular sign outweighs what
/// the device may also claim to be. A crawler claims a phone, a console a television, a television
/// and a tablet Android, and nearly all of them a desktop's Linux.
fn decide(signs: Signs) -> Option<DeviceClass> {
    let android = signs.has(Sign::Android);
    if signs.has(Sign::Program) || signs.has(Sign::Appliance) {
        Some(DeviceClass::Other)
    } else if signs.has(Sign::Tv) || (android && signs.has(Sign::TvName)) {
        Some(DeviceClass::Tv)
    } else if signs.has(Sign::Tablet) || (android && signs.has(Sign::TabletName)) {
        Some(DeviceClass::Tablet)
    } else if signs.has(Sign::Phone) || signs.has(Sign::Mobile) {
        Some(DeviceClass::Mobile)
    } else if android {
        // A browser on an Android phone says "Mobile", one on a tablet does not. Apps follow no
        // such rule, and most run on phones.
        let tablet = signs.has(Sign::Browser);
        Some(if tablet { DeviceClass::Tablet } else { DeviceClass::Mobile })
    } else if signs.has(Sign::Desktop) {
        Some(DeviceClass::Desktop)
    } else {
        signs.has(Sign::Maker).then_some(DeviceClass::Mobile)
    }
}

/// Collects the signs of all words of a user agent in lower case.
fn read(lowered: &[u8]) -> Signs {
    let mut signs = Signs::default();
    let mut after_word = false;
    for at in 0..lowered.len() {
        let in_word = lowered[at].is_ascii_alphanumeric();
        if in_word && !after_word {
            read_word(&lowered[at..], &mut signs);
        }
        after_word = in_word;
    }
    signs
}

/// Reads the word at the start of `rest`, and the words after it for names of several words.
fn read_word(rest: &[u8], signs: &mut Signs) {
    let end = |stop: fn(&u8) -> bool| rest.iter().position(stop).unwrap_or(rest.len());
    let word = &rest[..end(|byte| !byte.is_ascii_alphanumeric())];
    let letters = &rest[..end(|byte| !byte.is_ascii_alphabetic())];
    for (starts, sign) in STARTS {
        if starts.iter().any(|start| starts_with(rest, start)) {
            signs.add(*sign);
        }
    }
    for (words, sign) in WORDS {
        if words.iter().any(|known| known.len() == word.len() && starts_with(word, known)) {
            signs.add(*sign);
        }
    }
    let named_program = PROGRAM_ENDS.iter().any(|end| word.ends_with(end.as_bytes()));
    // Cubot makes phones.
    if named_program && word != b"cubot" {
        signs.add(Sign::Program);
    }
    read_model(word, letters, signs);
    // Internet Explorer says "Tablet PC 2.0" on desktops that could do handwriting.
    if rest.starts_with(b"tablet") && !rest.starts_with(b"tablet pc") {
        signs.add(Sign::Tablet);
    }
}

/// Returns whether `rest` starts with `start`. Nearly every comparison fails at its first byte,
/// which costs less here than a call.
fn starts_with(rest: &[u8], start: &str) -> bool {
    rest[0] == start.as_bytes()[0] && rest.starts_with(start.as_bytes())
}

/// Recognizes model names that follow a pattern. `letters` are the letters that `word` starts with.
fn read_model(word: &[u8], letters: &[u8], signs: &mut Signs) {
    let numbered = letters.len() < word.len();
    // "OnePad 730", "ViewPad97a", "TAB360"; Coolpad makes phones.
    let pad = letters.ends_with(b"pad") || letters.ends_with(b"tab");
    // "MID7022": a "mobile internet device" of a maker without a name.
    if (pad && letters != b"coolpad") || (letters == b"mid" && numbered) {
        signs.add(Sign::TabletName);
    }
    // Amazon's models are letters only: "KFTT" is a tablet, "AFTB" a Fire TV.
    if !numbered && (4..=6).contains(&word.len()) {
        if word.starts_with(b"kf") {
            signs.add(Sign::TabletName);
        } else if word.starts_with(b"aft") && word != b"after" {
            signs.add(Sign::TvName);
        }
    }
    // "LGKU380": maker and model in one word.
    if numbered && word.len() > 4 && word.starts_with(b"lg") {
        signs.add(Sign::Maker);
    }
}

/// Signs by whole words.
#[rustfmt::skip]
const WORDS: &[(&[&str], Sign)] = &[
    (&["curl", "wget", "slurp", "preview", "ptst", "nutch", "scrapy", "heritrix", "masscan",
       "lighthouse", "phantomjs", "headlesschrome"], Sign::Program),
    (&["xbox", "wii", "3ds", "psp", "quest", "homepod", "dreamcast"], Sign::Appliance),
    (&["tv", "dtv", "stb", "googletv", "webtv", "crkey", "chromecast", "bravia", "viera",
       "vidaa", "espial", "vizio", "tvos", "mitv", "mibox"], Sign::Tv),
    (&["kindle", "xoom", "nook", "kobo", "wetab"], Sign::Tablet),
    (&["silk", "mz505", "mz601", "mz604", "mz606", "mz617"], Sign::TabletName),
    (&["phone", "smartphone", "brew", "ppc", "palmos", "bb10", "kaios", "bada", "wap", "wap2",
       "foma", "lumia", "maemo"], Sign::Phone),
    (&["silk"], Sign::Android),
    (&["mobile", "mobi", "ios"], Sign::Mobile),
    (&["safari", "chrome", "firefox"], Sign::Browser),
    (&["windows", "macintosh", "macos", "x11", "cros", "i686", "win64", "win32", "win98",
       "win95", "winnt", "freebsd", "openbsd", "sunos"], Sign::Desktop),
    (&["lg", "samsung", "motorola", "moto", "zte", "lenovo", "bird", "amoi", "sharp", "sagem",
       "sanyo", "kyocera", "xiaomi", "oppo", "vivo"], Sign::Maker),
];

/// Signs by the starts of words; some starts run on into the next word.
#[rustfmt::skip]
const STARTS: &[(&[&str], Sign)] = &[
    (&["http://", "https://", "python-", "go-http-client", "bingpreview", "pingdom"],
       Sign::Program),
    (&["playstation", "nintendo", "watchos", "apple watch", "oculusbrowser", "qtcarbrowser",
       "tesla/", "glass 1 "], Sign::Appliance),
    (&["hbbtv", "netcast", "inettv", "smart-tv", "smarttv", "appletv", "apple tv", "web0s",
       "webos.tv", "nettv", "netrange", "roku", "sonybdp", "sonydtv"], Sign::Tv),
    (&["ipad", "sm-t", "sm-p", "sm-x", "gt-p", "gt-n8", "gt-n51", "nexus 7", "nexus_7",
       "nexus 9", "nexus 10", "pixel c ", "playbook", "touchpad", "mediapad", "ideatab",
       "lifetab", "smarttab", "sgp3", "sgp4", "sgp5", "sgp6", "sgp7", "transformer"],
       Sign::Tablet),
    (&["tb-", "tb3", "opd2", "rmp2", "htc_flyer", "htc flyer", "pmp3", "pmp5", "pmp7", "tac-",
       "slate 7"], Sign::TabletName),
    (&["iphone", "ipod", "nokia", "sonyericsson", "samsung-", "lg-", "lge-", "mot-", "sie-",
       "alcatel", "blackberry", "symbian", "symbos", "series60", "series40", "windows phone",
       "windows ce", "iemobile", "opera mini", "docomo", "htc", "up.browser", "midp", "cldc",
       "ucweb", "webos/"], Sign::Phone),
    (&["android"], Sign::Android),
    (&["mac os x", "mac_powerpc", "macbook", "x86_64"], Sign::Desktop),
    (&["huawei", "pantech", "lge", "kwc-"], Sign::Maker),
];

/// Ends of the names that programs give themselves.
const PROGRAM_ENDS: &[&str] = &["bot", "crawler", "spider"];

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn class(user_agent: &str) -> &'static str {
        classify(user_agent.as_bytes()).map_or("-", DeviceClass::as_str)
    }

    /// What is common today; uap-core's cases, which the integration test reads, are older.
    #[test]
    fn user_agents_of_today() {
        const ANDROID: &str = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0";
        let android = |device: &str, end: &str| {
            class(&format!("Mozilla/5.0 (Linux; Android {device}) {ANDROID} {end}"))
        };
        assert_eq!(android("10; K", "Mobile Safari/537.36"), "mobile");
        assert_eq!(android("10; K", "Safari/537.36"), "tablet");
        assert_eq!(android("14; SM-X710", "Mobile Safari/537.36"), "tablet");
        assert_eq!(android("9; AFTMM", "Mobile Safari/537.36"), "tv");
        assert_eq!(android("11; KFTRWI", "Silk/131.1 like Chrome/131.0 Safari/537.36"), "tablet");
        assert_eq!(android("12; BRAVIA 4K VH2", "Safari/537.36"), "tv");
        assert_eq!(android("14; Quest 3", "OculusBrowser/36.0 VR Safari/537.36"), "other");
        assert_eq!(android("13; SM-S911B; wv", "Mobile Safari/537.36 [FB_IAB/FB4A;]"), "mobile");

        assert_eq!(class("Mozilla/5.0 (Android 14; Mobile; rv:133.0) Firefox/133.0"), "mobile");
        assert_eq!(class("Mozilla/5.0 (Android 14; Tablet; rv:133.0) Firefox/133.0"), "tablet");
        assert_eq!(class("Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/AP2A)"), "mobile");
        assert_eq!(class("Mozilla/5.0 (iPad; CPU OS 16_0 like Mac OS X) Mobile/15E148"), "tablet");
        assert_eq!(class("Shop/5.2 (iPhone14,5; iOS 17.2; Scale/3.00)"), "mobile");
        assert_eq!(class("AppleTV11,1/11.1"), "tv");
        assert_eq!(class("Roku/DVP-9.10 (289.10E04111A)"), "tv");
        assert_eq!(android("8.0.0; CUBOT_P20", "Mobile Safari/537.36"), "mobile");
    }

    #[test]
    fn desktops_of_today() {
        let desktop = |system: &str| {
            class(&format!("Mozilla/5.0 ({system}) AppleWebKit/537.36 Chrome/131.0 Safari/537.36"))
        };
        assert_eq!(desktop("Windows NT 10.0; Win64; x64"), "desktop");
        assert_eq!(desktop("Macintosh; Intel Mac OS X 10_15_7"), "desktop");
        assert_eq!(desktop("X11; Linux x86_64"), "desktop");
        assert_eq!(desktop("X11; CrOS x86_64 14541.0.0"), "desktop");
        let ie = "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Tablet PC 2.0)";
        assert_eq!(class(ie), "desktop");
    }

    #[test]
    fn televisions_and_consoles_of_today() {
        let tv = |system: &str| class(&format!("Mozilla/5.0 ({system}) Chrome/94 Safari/537.36"));
        assert_eq!(tv("Web0S; Linux/SmartTV"), "tv");
        assert_eq!(tv("SMART-TV; LINUX; Tizen 7.0"), "tv");
        assert_eq!(tv("X11; Linux armv7l) CrKey/1.56.500000 (compatible"), "tv");
        assert_eq!(tv("PlayStation; PlayStation 5/6.00"), "other");
        assert_eq!(tv("Windows NT 10.0; Win64; x64; Xbox; Xbox Series X"), "other");
        assert_eq!(tv("Nintendo Switch; WifiWebAuthApplet"), "other");
    }

    #[test]
    fn a_program_is_other_whatever_it_claims() {
        let googlebot = "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X) Mobile Safari/537.36 \
            (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";
        assert_eq!(class(googlebot), "other");
        assert_eq!(class("curl/8.5.0"), "other");
        assert_eq!(class("python-requests/2.32.3"), "other");
    }

    #[test]
    fn a_word_inside_another_word_says_nothing() {
        assert_eq!(class("Xtvx/1.0"), "-");
        assert_eq!(class("NotMobile"), "-");
        assert_eq!(class("Mozilla/5.0 (Windows NT 10.0) Notepad/1.0"), "desktop");
    }
}
