//! The attribute that makes a test for each store out of a function.

use proc_macro::{Ident, TokenStream, TokenTree};

/// Makes a test for each store out of an `async fn` without arguments: `NAME::sqlite`,
/// `NAME::postgres` and, with the feature `kurrentdb`, `NAME::kurrentdb`.
///
/// Arguments are passed to `#[tokio::test]`. Each test runs the function by `crate::stores::on`, which
/// says the store to whatever the function calls.
#[proc_macro_attribute]
pub fn on_every_store(arguments: TokenStream, function: TokenStream) -> TokenStream {
    let Some(name) = name_of(function.clone()) else {
        return "compile_error!(\"only a function is a test\");".parse().expect("this is Rust");
    };
    let test = |condition: &str, name_of_test: &str, store: &str| {
        format!(
            "{condition} #[::tokio::test({arguments})] async fn {name_of_test}() {{
                crate::stores::on(crate::stores::Store::{store}, super::{name}()).await;
            }}"
        )
    };
    let tests = [
        test("", "sqlite", "Sqlite"),
        test("", "postgres", "Postgres"),
        test("#[cfg(feature = \"kurrentdb\")]", "kurrentdb", "KurrentDb"),
    ];
    let module = format!("mod {name} {{ {} }}", tests.concat());
    let module: TokenStream = module.parse().expect("this is Rust");
    function.into_iter().chain(module).collect()
}

/// Returns the name of a function, which follows `fn`.
fn name_of(function: TokenStream) -> Option<Ident> {
    let mut tokens = function.into_iter();
    tokens.find(|token| matches!(token, TokenTree::Ident(word) if word.to_string() == "fn"))?;
    match tokens.next() {
        Some(TokenTree::Ident(name)) => Some(name),
        _ => None,
    }
}
