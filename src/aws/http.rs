//! The HTTP client that all services share, and whom it trusts.
//!
//! Reading the system's certificates is most of the time that it takes to make a client: some three hundred files. All
//! services of AWS have certificates of Amazon's own authority, whose roots stand in the program. `SSL_CERT_FILE` and
//! `SSL_CERT_DIR`, as OpenSSL knows them, name others: for a proxy that ends TLS, or an emulator. In China and in isolated
//! Regions, whose services may have others, the system's are read.

use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

/// Names in the roots of Amazon Trust Services.
const AUTHORITIES: [&[u8]; 2] = [b"Amazon Root CA", b"Starfield Services Root Certificate Authority"];

/// A client for every service. Its connections are kept.
#[must_use]
pub fn http_client() -> SharedHttpClient {
    let builder = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    let names_others = ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| std::env::var_os(name).is_some());
    let region = std::env::var("AWS_REGION").unwrap_or_default();
    if names_others || has_other_authorities(&region) {
        return builder.build_https();
    }
    match TlsContext::builder().with_trust_store(amazon()).build() {
        Ok(context) => builder.tls_context(context).build_https(),
        Err(_) => builder.build_https(),
    }
}

fn has_other_authorities(region: &str) -> bool {
    region.starts_with("cn-") || region.contains("-iso")
}

/// The certificates of Amazon Trust Services.
fn roots() -> impl Iterator<Item = &'static [u8]> {
    let is_amazon =
        |certificate: &&[u8]| AUTHORITIES.iter().any(|name| memchr::memmem::find(certificate, name).is_some());
    TLS_SERVER_ROOT_CERTS.iter().map(AsRef::as_ref).filter(is_amazon)
}

fn amazon() -> TrustStore {
    roots().fold(TrustStore::empty(), |store, certificate| {
        let body = STANDARD.encode(certificate);
        store.with_pem_certificate(format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_with_other_authorities() {
        for (region, expected) in [
            ("us-east-1", false),
            ("us-gov-west-1", false),
            ("eusc-de-east-1", false),
            ("cn-north-1", true),
            ("us-isob-east-1", true),
        ] {
            assert_eq!(has_other_authorities(region), expected, "{region}");
        }
    }

    #[test]
    fn the_roots_of_amazon_are_there() {
        let names =
            |name: &[u8]| TLS_SERVER_ROOT_CERTS.iter().filter(|it| memchr::memmem::find(it, name).is_some()).count();
        assert_eq!(AUTHORITIES.map(names), [4, 1]);
        assert_eq!(roots().count(), 5);
        // A certificate that does not parse is a panic here, and would be one at the start.
        let context = TlsContext::builder().with_trust_store(amazon()).build().expect("a context");
        let _: SharedHttpClient =
            Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(context).build_https();
    }
}
