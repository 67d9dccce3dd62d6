//! The flags of `whence erase`.

use clap::Args;

use super::OperateArgs;

/// Flags of `whence erase`.
#[derive(Args, Clone, Debug)]
pub struct EraseArgs {
    /// User id or e-mail address
    #[arg(value_name = "USER")]
    pub(crate) user: String,

    /// Where, and as whom.
    #[command(flatten)]
    pub(crate) operate: OperateArgs,
}
