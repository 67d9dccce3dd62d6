//! Real proxies, started with settings that documents show.

use std::path::Path;
use std::process::Command;

use whence_test_support::tool;

/// nginx, whose server has these settings.
pub(crate) fn nginx(directory: &Path, port: u16, settings: &str) -> Command {
    let at = directory.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = temporary.map(|kind| format!("{kind}_temp_path {at}/{kind};")).concat();
    let text = format!(
        "daemon off; worker_processes 1; pid {at}/pid; error_log {at}/errors;\n\
         events {{ worker_connections 64; }}\n\
         http {{ access_log off; {temporary}\nserver {{ listen 127.0.0.1:{port};\n{settings}}} }}\n"
    );
    std::fs::write(directory.join("nginx.conf"), text).unwrap();
    let mut command = tool::program("nginx");
    command.arg("-p").arg(directory).arg("-c").arg(directory.join("nginx.conf"));
    command
}

/// Caddy, which serves this site without TLS.
pub(crate) fn caddy(directory: &Path, site: &str) -> Command {
    let text = format!("{{\n\tadmin off\n\tauto_https off\n}}\n{site}");
    std::fs::write(directory.join("Caddyfile"), text).unwrap();
    let mut command = tool::program("caddy");
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(directory.join("Caddyfile"));
    for name in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
        command.env(name, directory);
    }
    command
}
