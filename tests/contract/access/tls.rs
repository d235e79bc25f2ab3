//! TLS: encrypted, and with the renewed certificate as soon as it is there.

use std::fs::Permissions;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use orderledger_tests::client::until;
use orderledger_tests::server::Home;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// Certificates of one authority, valid for a century, with keys that nobody needs to keep.
const AUTHORITY: &[u8] = include_bytes!("fixtures/ca.pem");
const FIRST: [&[u8]; 2] = [include_bytes!("fixtures/first.pem"), include_bytes!("fixtures/first.key")];
const SECOND: [&[u8]; 2] = [include_bytes!("fixtures/second.pem"), include_bytes!("fixtures/second.key")];

fn write(directory: &Path, files: [&[u8]; 2]) -> [String; 2] {
    let paths = ["cert.pem", "cert.key"].map(|name| directory.join(name));
    for (path, bytes) in paths.iter().zip(files) {
        std::fs::write(path, bytes).unwrap();
        std::fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    }
    paths.map(|path| path.to_str().unwrap().to_owned())
}

/// What a server says to `GET /livez`, and the certificate it shows.
fn ask(address: &str) -> std::io::Result<(String, Vec<u8>)> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(AUTHORITY).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connection = ClientConnection::new(Arc::new(config), ServerName::try_from("127.0.0.1").unwrap()).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(address)?);
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
    let mut said = Vec::new();
    stream.read_to_end(&mut said)?;
    let shown = stream.conn.peer_certificates().unwrap()[0].to_vec();
    Ok((String::from_utf8(said).unwrap(), shown))
}

#[test]
fn a_renewed_certificate_is_shown_without_a_restart() {
    let (home, directory) = (Home::embedded(), tempfile::tempdir().unwrap());
    let [certificate, key] = write(directory.path(), FIRST);
    let server = home.start(&["--tls-cert", &certificate, "--tls-key", &key]);
    let address = server.client.base().strip_prefix("http://").unwrap();
    let der = |pem: &[u8]| CertificateDer::from_pem_slice(pem).unwrap().to_vec();
    let (said, shown) = until(|| ask(address), Result::is_ok).unwrap();
    assert!(said.starts_with("HTTP/1.1 200") && said.contains("strict-transport-security: max-age="), "{said}");
    assert_eq!(shown, der(FIRST[0]));
    // Who doesn't encrypt gets no answer.
    assert!(server.client.try_get("/livez").is_err());
    // Commands ask it as well, once they are told which authority to trust.
    let authority = directory.path().join("ca.pem");
    std::fs::write(&authority, AUTHORITY).unwrap();
    let status = |more: &[&str]| {
        let url = format!("https://{address}");
        let asked = orderledger_tests::run(&[&["status", "--json", "--server", &url], more].concat()).unwrap();
        (asked.status.code(), String::from_utf8_lossy(&[asked.stdout, asked.stderr].concat()).into_owned())
    };
    let (code, said) = until(|| status(&["--server-ca", authority.to_str().unwrap()]), |(code, _)| *code == Some(0));
    assert!(code == Some(0) && said.contains("settlement"), "{said}");
    let (code, said) = status(&[]);
    assert!(code != Some(0) && said.contains("--server-ca"), "{code:?} {said}");
    write(directory.path(), SECOND);
    let (_, shown) = until(|| ask(address).unwrap(), |(_, shown)| *shown == der(SECOND[0]));
    assert_eq!(shown, der(SECOND[0]));
    server.stop();
}
