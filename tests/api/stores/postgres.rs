//! What a server keeps, in a Postgres database of its own.

use tokio_postgres::{NoTls, SimpleQueryMessage};
use whence::infra::keys::MasterKey;
use whence_test_support::postgres::{Database, database};

/// What is there before a server starts and after it stopped.
pub struct Home {
    database: Database,
    master_key: String,
}

impl Home {
    pub async fn new() -> Self {
        Self { database: database().await, master_key: MasterKey::generate().to_hex() }
    }

    /// Flags that make a server live here, beside those of a test.
    pub fn flags(&self, given: &[&str]) -> Vec<String> {
        let mut flags = vec!["--store", self.database.url()];
        // Nobody makes one up for a database that several may share.
        if !given.contains(&"--master-key") {
            flags.extend(["--master-key", &self.master_key]);
        }
        flags.into_iter().map(str::to_owned).collect()
    }

    /// All that is stored of log and read models, as an attacker would find it: a name, and bytes.
    pub async fn stored(&self) -> Vec<(String, Vec<u8>)> {
        let (client, connection) =
            tokio_postgres::connect(self.database.url(), NoTls).await.unwrap();
        tokio::spawn(connection);
        let tables = "SELECT table_schema || '.' || table_name FROM information_schema.tables
                      WHERE table_schema IN ('log', 'vault', 'read')";
        let mut stored = vec![];
        for table in client.query(tables, &[]).await.unwrap() {
            let table: String = table.get(0);
            // Bytes as they are, where a row shows them in hexadecimal.
            let rows =
                format!("SELECT encode(convert_to(t::text, 'UTF8'), 'escape') FROM {table} t");
            let rows = client.simple_query(&rows).await.unwrap();
            let mut bytes = format!("CREATE {table}\n").into_bytes();
            for row in rows {
                if let SimpleQueryMessage::Row(row) = row {
                    bytes.extend(unescaped(row.get(0).unwrap_or_default()));
                }
            }
            stored.push((table, bytes));
        }
        stored
    }
}

/// The text of a row with what stands in it as `\x0123...` also as the bytes that it means.
fn unescaped(row: &str) -> Vec<u8> {
    let mut bytes = row.as_bytes().to_vec();
    for part in row.split("\\x").skip(1) {
        let digits: Vec<_> = part.bytes().take_while(u8::is_ascii_hexdigit).collect();
        bytes.push(b'\n');
        bytes.extend(
            digits
                .chunks_exact(2)
                .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()),
        );
    }
    bytes
}
