//! What a server keeps, in files of its own.

use std::path::Path;

use tempfile::TempDir;

/// What is there before a server starts and after it stopped.
pub struct Home {
    directory: TempDir,
}

impl Home {
    pub fn new() -> Self {
        Self { directory: TempDir::new().unwrap() }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Flags that make a server live here.
    pub fn flags(&self) -> Vec<String> {
        vec!["--store".into(), format!("sqlite:{}", self.path().display())]
    }

    /// All that is stored of log and read models, as an attacker would find it: a name, and bytes.
    pub fn stored(&self) -> Vec<(String, Vec<u8>)> {
        let files = std::fs::read_dir(self.path()).unwrap().map(|file| {
            let path = file.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, path)
        });
        let databases = files.filter(|(name, _)| name.contains(".db"));
        databases.map(|(name, path)| (name, std::fs::read(path).unwrap())).collect()
    }
}
