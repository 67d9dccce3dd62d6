//! Attributes of the tests: a test for each store out of one function, and a store that passes calls on.

use proc_macro::{Delimiter, Group, Ident, TokenStream, TokenTree};

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

/// The methods of a store, with the path of its types in the place of `STORE`. Those that the trait
/// makes out of these are left to it, so that a store that changes one of these changes them, too.
const METHODS: [(&str, &str); 13] = [
    (
        "append",
        "async fn append(&self, append: STORE::Append) -> Result<STORE::Appended, STORE::StoreError> {
            self.inner.append(append).await
        }",
    ),
    (
        "read_stream",
        "async fn read_stream(
            &self,
            stream: &::whence_events::StreamId,
            from: ::whence_events::Version,
            limit: usize,
        ) -> Result<Vec<::whence_events::Recorded>, STORE::StoreError> {
            self.inner.read_stream(stream, from, limit).await
        }",
    ),
    (
        "read_all",
        "async fn read_all(
            &self,
            after: ::whence_events::Position,
            limit: usize,
        ) -> Result<Vec<::whence_events::Recorded>, STORE::StoreError> {
            self.inner.read_all(after, limit).await
        }",
    ),
    (
        "head",
        "async fn head(&self) -> Result<::whence_events::Position, STORE::StoreError> {
            self.inner.head().await
        }",
    ),
    (
        "event_at",
        "async fn event_at(
            &self,
            position: ::whence_events::Position,
        ) -> Result<Option<::whence_events::EventId>, STORE::StoreError> {
            self.inner.event_at(position).await
        }",
    ),
    (
        "read_at",
        "async fn read_at(
            &self,
            position: ::whence_events::Position,
        ) -> Result<Option<::whence_events::Recorded>, STORE::StoreError> {
            self.inner.read_at(position).await
        }",
    ),
    ("is_current", "fn is_current(&self) -> bool { self.inner.is_current() }"),
    (
        "tail",
        "fn tail(&self) -> ::tokio::sync::broadcast::Receiver<STORE::Batch> { self.inner.tail() }",
    ),
    (
        "read_key",
        "async fn read_key(
            &self,
            subject: &::whence_events::StreamId,
        ) -> Result<Option<STORE::KeyRecord>, STORE::StoreError> {
            self.inner.read_key(subject).await
        }",
    ),
    (
        "destroy_key",
        "async fn destroy_key(
            &self,
            subject: &::whence_events::StreamId,
            up_to: Option<u32>,
        ) -> Result<(), STORE::StoreError> {
            self.inner.destroy_key(subject, up_to).await
        }",
    ),
    (
        "vault_state",
        "async fn vault_state(&self) -> Result<STORE::VaultState, STORE::StoreError> {
            self.inner.vault_state().await
        }",
    ),
    (
        "vault_keys",
        "async fn vault_keys(
            &self,
            after: Option<&STORE::KeyPlace>,
            limit: usize,
        ) -> Result<Vec<STORE::StoredKey>, STORE::StoreError> {
            self.inner.vault_keys(after, limit).await
        }",
    ),
    (
        "change_vault",
        "async fn change_vault(&self, change: STORE::VaultChange) -> Result<(), STORE::StoreError> {
            self.inner.change_vault(change).await
        }",
    ),
];

/// Adds the methods that an `impl EventStore` lacks: they pass the call on to the field `inner`.
///
/// The argument is the path of the module of stores, and the attribute stands before `#[async_trait]`.
#[proc_macro_attribute]
pub fn passes_on(store: TokenStream, implementation: TokenStream) -> TokenStream {
    let store = store.to_string().replace(' ', "");
    let mut tokens: Vec<_> = implementation.into_iter().collect();
    let Some(TokenTree::Group(body)) = tokens.pop() else {
        return "compile_error!(\"only an impl passes calls on\");".parse().expect("this is Rust");
    };
    let there = names_of(body.stream());
    let lacking = METHODS.iter().filter(|(name, _)| !there.iter().any(|method| method == name));
    let lacking: String = lacking.map(|(_, method)| method.replace("STORE", &store)).collect();
    let lacking: TokenStream = lacking.parse().expect("this is Rust");
    let all = body.stream().into_iter().chain(lacking).collect();
    tokens.push(TokenTree::Group(Group::new(Delimiter::Brace, all)));
    tokens.into_iter().collect()
}

/// Returns the names of the functions in a body: what follows each `fn`.
fn names_of(body: TokenStream) -> Vec<String> {
    let words: Vec<_> = body.into_iter().map(|token| token.to_string()).collect();
    words.windows(2).filter(|pair| pair[0] == "fn").map(|pair| pair[1].clone()).collect()
}
