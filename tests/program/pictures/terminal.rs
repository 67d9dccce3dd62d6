//! `whence report VIEW --chart`.

use whence::insight::charts::{Canvas, Chart, draw};
use whence_projections::report::{Cell, Column, Kind, Table, View, Zone};
use whence_test_support::tool::program;

use crate::pictures::story::Story;
use crate::support::whence;

const PLAIN: Canvas = Canvas { width: 40, colours: false };

fn table(view: View, by: &[Column], rows: Vec<Vec<Cell>>) -> Table {
    let columns = by.iter().chain(view.measures()).copied().collect();
    Table {
        name: view.name(),
        title: view.title(),
        columns,
        rows,
        as_of: 7,
        zone: Zone::default(),
        note: None,
        bot_rules: None,
    }
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

/// What is drawn below the title.
#[track_caller]
fn drawn(view: View, table: &Table, canvas: Canvas, lines: &[&str]) {
    let picture = draw(table, &Chart::of(view, table, 4), canvas);
    let (title, picture) = picture.split_once("\n\n").unwrap();
    let release = Zone::default().release().to_owned();
    let expected = format!("{}, as of position 7\nin UTC (time zones {release})", view.title());
    assert_eq!(title, expected);
    let found: Vec<_> = picture.lines().collect();
    assert_eq!(found, lines, "\n{picture}");
}

#[test]
fn days_are_columns_and_none_is_left_out() {
    let by = [Column::new("day", Kind::Day), Column::new("source", Kind::Text)];
    let row = |day, source: &str, count| vec![Cell::Day(day), text(source), Cell::Count(count)];
    // 2026-03-02, twice; nothing on the day after it; then one and a half as many.
    let rows = vec![
        row(20_514, "a", 3),
        row(20_514, "b", 1),
        row(20_516, "a", 10),
        vec![Cell::Unknown, text("a"), Cell::Count(5)],
    ];
    drawn(
        View::Signups,
        &table(View::Signups, &by, rows),
        PLAIN,
        &[
            "10 │            █████",
            "   │            █████",
            "   │            █████",
            "   │            █████",
            " 5 │            █████",
            "   │            █████",
            "   │█████       █████",
            "   │█████       █████",
            "   │█████       █████",
            "   │█████       █████",
            " 0 └──────────────────",
            "    2026-03-02 … 2026-03-04",
            "",
            "19 signups in all, 5 of them on an unknown day; a column is 1 day",
        ],
    );
}

#[test]
fn more_days_than_characters_share_columns() {
    let rows = (0..100).map(|day| vec![Cell::Day(20_514 + day), Cell::Count(1)]).collect();
    let table = table(View::Signups, &[Column::new("day", Kind::Day)], rows);
    let picture = draw(&table, &Chart::of(View::Signups, &table, 4), PLAIN);
    assert!(picture.ends_with("100 signups in all; a column is 3 days\n"), "{picture}");
    assert!(picture.lines().all(|line| line.chars().count() <= 40), "{picture}");
    assert!(picture.contains("2026-03-02") && picture.contains("2026-06-09"), "{picture}");
}

#[test]
fn what_has_no_room_is_one_bar_and_what_is_unknown_another() {
    let row = |channel: Cell, count| vec![channel, Cell::Count(count)];
    let rows = vec![
        row(text("Direct"), 80),
        row(Cell::Unknown, 20),
        row(text("Email"), 10),
        row(text("a\u{1b}[2J"), 4),
        row(text("Video"), 0),
        row(text("Other"), 1),
    ];
    drawn(
        View::Signups,
        &table(View::Signups, &[Column::new("channel", Kind::Text)], rows),
        PLAIN,
        &[
            "Direct     ██████████████████████████ 80",
            "Email      ███▎ 10",
            "3 others   █▋ 5",
            "(unknown)  ██████▌ 20",
        ],
    );
}

#[test]
fn of_weeks_the_last_are_shown() {
    let row = |week: i32, users| {
        let numbers = [users, 1, users / 2].map(Cell::Count);
        let rest = [Cell::Ratio(0.5), Cell::Unknown];
        [Cell::Day(20_514 + 7 * week)].into_iter().chain(numbers).chain(rest).collect::<Vec<_>>()
    };
    let rows = (0..6_u8).map(|week| row(week.into(), u64::from(week) * 4)).collect();
    let table = table(View::Viral, &[Column::new("cohort", Kind::Day)], rows);
    let picture = draw(&table, &Chart::of(View::Viral, &table, 4), PLAIN);
    let labels: Vec<_> = picture.lines().filter_map(|line| line.split("  ").next()).collect();
    let labels: Vec<_> = labels.into_iter().filter(|label| !label.is_empty()).skip(2).collect();
    assert_eq!(labels, ["3 earlier", "2026-03-23", "2026-03-30", "2026-04-06"], "{picture}");
    assert!(
        picture.contains(" 12 users\n") && picture.contains(" 20 users  k 0.50\n"),
        "{picture}"
    );
}

#[test]
fn series_stand_below_one_another_and_shares_behind() {
    let row = |who: &str, counts: [u64; 3], rate| {
        let counts = counts.map(Cell::Count).into_iter();
        let more = [Cell::Count(30), Cell::Count(9)];
        [text(who)].into_iter().chain(counts).chain([rate]).chain(more).collect::<Vec<_>>()
    };
    let rows =
        vec![row("ada", [20, 10, 5], Cell::Ratio(0.5)), row("bob", [0, 1, 0], Cell::Unknown)];
    drawn(
        View::Referrers,
        &table(View::Referrers, &[Column::new("referrer", Kind::Text)], rows),
        PLAIN,
        &[
            "ada  ████████████ 20 clicks  rate 50.0 %",
            "     ██████ 10 signups",
            "     ███ 5 attributed",
            "",
            "bob  0 clicks",
            "     ▋ 1 signups",
            "     0 attributed",
        ],
    );
}

#[test]
fn shares_by_week_are_numbers_with_shades() {
    let row = |day, week, active, rate| {
        vec![
            Cell::Day(day),
            Cell::Count(week),
            Cell::Count(8),
            Cell::Count(active),
            Cell::Ratio(rate),
        ]
    };
    let rows = vec![row(20_514, 0, 8, 1.0), row(20_514, 1, 3, 0.375), row(20_521, 0, 0, 0.0)];
    let by = [Column::new("cohort", Kind::Day), Column::new("weeks_later", Kind::Count)];
    drawn(
        View::Retention,
        &table(View::Retention, &by, rows),
        PLAIN,
        &[
            "weeks later, % accounts    0    1",
            "2026-03-02        8 100█  38▒",
            "2026-03-09        8   0",
        ],
    );
}

#[test]
fn nothing_is_said_to_be_nothing() {
    for view in View::ALL {
        let by: Vec<_> = view.default_by().iter().map(|by| by.column()).collect();
        drawn(view, &table(view, &by, vec![]), PLAIN, &["nothing to show"]);
    }
}

#[test]
fn colours_change_no_character() {
    let rows = vec![vec![text("Direct"), Cell::Count(8)], vec![Cell::Unknown, Cell::Count(2)]];
    let table = table(View::Signups, &[Column::new("channel", Kind::Text)], rows);
    let chart = Chart::of(View::Signups, &table, 4);
    let painted = draw(&table, &chart, Canvas { colours: true, ..PLAIN });
    assert!(painted.contains("\u{1b}[38;5;67m"), "{painted:?}");
    let mut plain = String::new();
    for (at, part) in painted.split('\u{1b}').enumerate() {
        plain += if at == 0 { part } else { part.split_once('m').unwrap().1 };
    }
    assert_eq!(plain, draw(&table, &chart, PLAIN));
}

/// Not on a terminal: as wide as one used to be, and in one colour.
#[tokio::test(flavor = "multi_thread")]
async fn every_view_is_drawn_within_80_columns() {
    let story = Story::of(120).await;
    for view in View::ALL {
        let said = story.report(&[view.name(), "--chart"]);
        assert!(said.starts_with(view.title()) && said.lines().count() > 3, "{said}");
        let long: Vec<_> = said.lines().filter(|line| line.chars().count() > 80).collect();
        assert!(long.is_empty(), "{view:?}: {long:#?}");
        assert!(!said.contains('\u{1b}') && !said.contains("nothing to show"), "{said}");
    }
    let by_channel = story.report(&["signups", "--chart", "--by", "channel"]);
    assert!(by_channel.contains("\nReferral programme  █"), "{by_channel}");
}

/// On a terminal, which `script` makes: as wide as it is, and in colours unless they are not wanted.
#[tokio::test(flavor = "multi_thread")]
async fn on_a_terminal() {
    let story = Story::of(120).await;
    let on_terminal = |no_color: &str| {
        let command = format!(
            "stty cols 130 rows 40; '{}' report models --chart --store sqlite:data --master-key {}",
            env!("CARGO_BIN_EXE_whence"),
            crate::pictures::story::KEY
        );
        let mut script = program("script");
        script.args(["-qec", &command, "/dev/null"]).current_dir(story.directory.path());
        let output = script.env("NO_COLOR", no_color).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let (coloured, plain) = (on_terminal(""), on_terminal("1"));
    assert!(coloured.contains("\u{1b}[38;5;67m█"), "{coloured:?}");
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
    let widest = plain.lines().map(|line| line.trim_end().chars().count()).max().unwrap();
    assert!((100..=130).contains(&widest), "{widest}: {plain}");
}

#[test]
fn flags_that_go_together_with_nothing_else() {
    let directory = tempfile::TempDir::new().unwrap();
    for (flags, sentence) in [
        (
            &["signups", "--chart", "--format", "csv"][..],
            "the argument '--chart' cannot be used with '--format <FORMAT>'",
        ),
        (&["--html", "a.html", "--by", "day"], "--by and --where are for one view: name it"),
    ] {
        let output = whence(directory.path()).arg("report").args(flags).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with(&format!("whence: {sentence}")), "{said}");
        assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    }
}
