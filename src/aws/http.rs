//! The HTTP client that all services share, and its trust store.
//!
//! Reading the system's trust store, about three hundred files, takes most of the startup time of a client. In the
//! `aws` partition, the certificates of all services chain up to Amazon Trust Services, whose roots are embedded in the
//! program. All other partitions (`aws-cn`, `aws-us-gov`, `aws-eusc`, `aws-iso*`) use the system's trust store. So does
//! a process with OpenSSL's variables `SSL_CERT_FILE` or `SSL_CERT_DIR`, which select other certificates, for example
//! those of a proxy that terminates TLS or of an emulator.

use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

/// Names in the root certificates of Amazon Trust Services.
const AUTHORITIES: [&[u8]; 2] = [b"Amazon Root CA", b"Starfield Services Root Certificate Authority"];

/// Creates a client for all services. It reuses its connections.
#[must_use]
pub fn http_client() -> SharedHttpClient {
    let builder = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
    let selects_certificates = ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| std::env::var_os(name).is_some());
    let region = std::env::var("AWS_REGION").unwrap_or_default();
    if selects_certificates || !is_in_aws_partition(&region) {
        return builder.build_https();
    }
    match TlsContext::builder().with_trust_store(amazon_trust_store()).build() {
        Ok(context) => builder.tls_context(context).build_https(),
        Err(_) => builder.build_https(),
    }
}

/// Returns true for the Regions of the partition `aws`, such as `eu-west-1`: a continent or country, a direction and a
/// number. The names in other partitions start differently (`cn-`, `eusc-`) or have four parts (`us-gov-west-1`,
/// `us-iso-east-1`). Source: `regionRegex` in `partitions.json` of the AWS SDKs.
fn is_in_aws_partition(region: &str) -> bool {
    const AREAS: [&str; 9] = ["af", "ap", "ca", "eu", "il", "me", "mx", "sa", "us"];
    let mut parts = region.split('-');
    let (area, direction, number) = (parts.next(), parts.next(), parts.next());
    area.is_some_and(|it| AREAS.contains(&it))
        && direction.is_some_and(|it| !it.is_empty())
        && number.is_some_and(|it| it.parse::<u8>().is_ok())
        && parts.next().is_none()
}

/// The root certificates of Amazon Trust Services, in DER format.
fn roots() -> impl Iterator<Item = &'static [u8]> {
    let is_amazon =
        |certificate: &&[u8]| AUTHORITIES.iter().any(|name| memchr::memmem::find(certificate, name).is_some());
    TLS_SERVER_ROOT_CERTS.iter().map(AsRef::as_ref).filter(is_amazon)
}

fn amazon_trust_store() -> TrustStore {
    roots().fold(TrustStore::empty(), |store, certificate| {
        let body = STANDARD.encode(certificate);
        store.with_pem_certificate(format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_aws_partition_uses_the_embedded_roots() {
        for (region, expected) in [
            ("us-east-1", true),
            ("eu-west-1", true),
            ("ap-southeast-7", true),
            ("mx-central-1", true),
            ("us-gov-west-1", false),
            ("eusc-de-east-1", false),
            ("cn-north-1", false),
            ("us-iso-east-1", false),
            ("us-isob-east-1", false),
            ("us-isof-south-1", false),
            ("eu-isoe-west-1", false),
            ("xx-north-1", false),
            ("us-east", false),
            ("us--1", false),
            ("", false),
        ] {
            assert_eq!(is_in_aws_partition(region), expected, "{region}");
        }
    }

    #[test]
    fn the_root_certificates_of_amazon_are_embedded() {
        let names =
            |name: &[u8]| TLS_SERVER_ROOT_CERTS.iter().filter(|it| memchr::memmem::find(it, name).is_some()).count();
        assert_eq!(AUTHORITIES.map(names), [4, 1]);
        assert_eq!(roots().count(), 5);
        // An invalid certificate panics here, and would panic when the function starts.
        let context = TlsContext::builder().with_trust_store(amazon_trust_store()).build().expect("a context");
        let _: SharedHttpClient =
            Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).tls_context(context).build_https();
    }
}
