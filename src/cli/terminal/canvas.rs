//! The canvas that charts are drawn on in this terminal.

use std::io::IsTerminal as _;

use crate::cli::flags::environment::no_color;
use crate::insight::charts::Canvas;

/// Returns the width of standard output, and whether it shows colours.
pub(crate) fn canvas_of_stdout() -> Canvas {
    let terminal = std::io::stdout().is_terminal();
    let size = terminal_size::terminal_size().filter(|_| terminal);
    Canvas {
        width: size.map_or(Canvas::DEFAULT_WIDTH, |(width, _)| usize::from(width.0)).clamp(40, 200),
        colours: terminal && !no_color(),
    }
}
