//! The class a person would give a device of uap-core, from its family, brand and model alone.
//!
//! Blind to the user agent, and written before the rules of `whence::http::device`, so that agreement
//! means something. Where the two then disagreed, entries were corrected here only for what the
//! device is (a Galaxy Tab under one carrier's number) or is not (a web site that uap-core takes
//! for a phone). Brands that sold both phones and tablets under names which do not tell them
//! apart are left out rather than guessed.

use whence_events::DeviceClass;

/// The class, or `None` where the name does not tell.
pub(crate) fn class(family: &str, brand: &str, model: &str) -> Option<DeviceClass> {
    let family = family.to_lowercase();
    let brand = brand.to_lowercase();
    let model = model.to_lowercase();
    by_family(&family, &brand)
        .or_else(|| television(&brand, &model))
        .or_else(|| tablet(&brand, &model))
        .or_else(|| phone(&brand, &model))
}

fn by_family(family: &str, brand: &str) -> Option<DeviceClass> {
    if matches!(brand, "nintendo" | "sega" | "xbox" | "meta" | "tesla") {
        return Some(DeviceClass::Other);
    }
    FAMILIES.iter().find_map(|(start, class)| {
        let rest = family.strip_prefix(start)?;
        // "Mac" must be the family, not the start of another maker's name.
        (*start != "mac" || rest.is_empty() || rest.starts_with("book")).then_some(*class)
    })
}

fn television(brand: &str, model: &str) -> Option<DeviceClass> {
    let named = TELEVISION_WORDS.iter().any(|word| model.contains(word));
    (TELEVISION_BRANDS.contains(&brand) || named).then_some(DeviceClass::Tv)
}

fn tablet(brand: &str, model: &str) -> Option<DeviceClass> {
    let named = TABLET_WORDS.iter().any(|word| model.contains(word));
    let numbered = TABLET_MODELS
        .iter()
        .any(|(of, starts)| brand == *of && starts.iter().any(|start| model.starts_with(start)));
    (TABLET_BRANDS.contains(&brand) || named || numbered).then_some(DeviceClass::Tablet)
}

/// Brands whose devices are phones once their tablets and televisions are told apart above.
fn phone(brand: &str, model: &str) -> Option<DeviceClass> {
    let untold = model.is_empty() || UNTOLD_MODELS.iter().any(|start| model.starts_with(start));
    (PHONE_BRANDS.contains(&brand) && !untold).then_some(DeviceClass::Mobile)
}

/// Starts of families.
const FAMILIES: &[(&str, DeviceClass)] = &[
    ("spider", DeviceClass::Other),
    ("ipad", DeviceClass::Tablet),
    ("iphone", DeviceClass::Mobile),
    ("ipod", DeviceClass::Mobile),
    ("appletv", DeviceClass::Tv),
    ("apple watch", DeviceClass::Other),
    ("homepod", DeviceClass::Other),
    ("mac", DeviceClass::Desktop),
    ("generic smartphone", DeviceClass::Mobile),
    ("generic feature phone", DeviceClass::Mobile),
    ("generic tablet", DeviceClass::Tablet),
    ("hbbtv", DeviceClass::Tv),
    ("inettv", DeviceClass::Tv),
    ("netcast", DeviceClass::Tv),
    ("chromecast", DeviceClass::Tv),
    ("androidtv", DeviceClass::Tv),
    ("kindle", DeviceClass::Tablet),
    ("playstation", DeviceClass::Other),
    ("nintendo", DeviceClass::Other),
    ("xbox", DeviceClass::Other),
    ("quest", DeviceClass::Other),
    ("tesla", DeviceClass::Other),
    ("lumia", DeviceClass::Mobile),
    ("nest hub", DeviceClass::Other),
    ("glass", DeviceClass::Other),
    ("smartspeaker", DeviceClass::Other),
];

#[rustfmt::skip]
const TELEVISION_BRANDS: &[&str] = &[
    "generic_inettv", "loewe", "humax", "inverto", "metz", "vestel", "technisat",
];

#[rustfmt::skip]
const TELEVISION_WORDS: &[&str] = &[
    "smarttv", "smart-tv", "hbbtv", "viera", "_tv", "dtv115", "bdv1", "kdl", "google tv",
    "android tv", "32ln", "42lw",
];

/// Brands that sold tablets and e-readers only, or nearly so.
#[rustfmt::skip]
const TABLET_BRANDS: &[&str] = &[
    "cobykyros", "ainol", "yarvik", "odys", "nextbook", "arnova", "nook", "kobo", "papyre",
    "ployer", "yifang", "trekstor", "lenco", "denver", "mpman", "nabi", "pipo", "aoson", "wetab",
    "airpad", "skytex", "proscan", "haipad", "generic_android_tablet", "mytab", "attab",
    "goclever", "airis", "viewsonic", "lexibook", "ionik", "woxter", "captiva", "jaytech", "xoro",
    "audiosonic", "3q",
];

/// What a model of any brand is called only when it is a tablet.
#[rustfmt::skip]
const TABLET_WORDS: &[&str] = &[
    "tablet", "ideatab", "smarttab", "smart tab", "lifetab", "mediapad", "slate 7", "slate 8",
    "slate 10", "touchpad", "playbook", "mi pad", "transformer", "eee pad", "pad tf", "pad me",
    "xoom", "nexus 7", "nexus 9", "nexus 10", "nexus_7", "pixel c", "iconia a", "kindle",
    "tab_7hd",
];

/// Starts of the model numbers of tablets, by brand.
#[rustfmt::skip]
const TABLET_MODELS: &[(&str, &[&str])] = &[
    ("samsung", &[
        "sm-t", "sm-p", "sm-x", "gt-p", "gt-n51", "gt-n80", "p4note", "espresso", "santos",
        "sch-i800", "sch-i815", "sch-i905", "sch-i915", "sgh-i957", "sgh-i987", "sgh-t849",
        "sgh-t859", "sgh-t869", "sph-p100", "shw-m180", "shw-m380", "shw-m480", "shw-m500",
        "sch-i705", "sch-i925", "sgh-i467", "sgh-i497", "sgh-n014", "shv-e140", "shv-e150",
        "shv-e230", "lt01", "lt02", "lt03", "sc-01c", "sc-01d", "sc-01e", "sc-02d",
    ]),
    ("htc", &[
        "flyer", "jetstream", "nexus 9", "puccini", "p510e", "p512", "evo view", "p715a",
    ]),
    ("motorola", &[
        "mz5", "mz6",
    ]),
    ("sony", &[
        "sgp",
    ]),
    ("lg", &[
        "v50", "v51", "v900", "v909",
    ]),
    ("huawei", &[
        "ideos s7", "ideoss7", "s7-", "s10-",
    ]),
    ("toshiba", &[
        "at", "folio", "thrive",
    ]),
    ("acer", &[
        "a1-8", "a10", "a2", "a5", "a7", "b1-",
    ]),
    ("asus", &[
        "tf", "me1", "me3",
    ]),
    ("prestigio", &[
        "pmp", "pmt",
    ]),
    ("archos", &[
        "an",
    ]),
    ("nokia", &[
        "n1 ",
    ]),
    ("alcatel", &[
        "one touch t", "one touch evo7", "one touch evo8",
    ]),
    ("fujitsu", &[
        "m532", "stylistic",
    ]),
];

#[rustfmt::skip]
const PHONE_BRANDS: &[&str] = &[
    "samsung", "htc", "nokia", "motorola", "sonyericsson", "docomo", "imobile", "siemens",
    "blackberry", "pantech", "palm", "kddi", "sprint", "amoi", "bird", "ktouch", "gfive",
    "gionee", "oppo", "vivo", "tecno", "infinix", "itel", "wiko", "zopo", "oneplus", "meizu",
    "kyocera", "lava", "xolo", "fly", "alcatel", "coolpad", "thl", "jiayu", "lg", "huawei", "zte",
    "sharp", "xiaomi", "fujitsu",
];

/// Media players, cameras, set-top boxes, web sites and design names under the brands of phones.
#[rustfmt::skip]
const UNTOLD_MODELS: &[&str] = &[
    "yp-", "ek-", "mediahub", "streaming", "droidz drive", "appadvisor", "light tab",
    "electronics", "android", "webkit", "hdblog", "lucent", "symantecspider",
];
