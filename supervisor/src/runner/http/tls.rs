//! Who a server has to show itself to be.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// Where Debian's `ca-certificates` puts the authorities of the host.
pub(in crate::runner) const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Who vouches for servers. Read once; clones share it. No variable of the environment changes it.
#[derive(Debug, Clone)]
pub struct Authorities {
    provider: Arc<CryptoProvider>,
    /// Why there are none, if there are none.
    verifier: Result<Arc<WebPkiServerVerifier>, String>,
}

impl Authorities {
    /// Those of the host; or those in the PEM file `instead`.
    pub fn read(instead: Option<&Path>) -> Self {
        let path = instead.unwrap_or(Path::new(AUTHORITIES));
        let provider = Arc::new(ring::default_provider());
        let verifier = verifier(path, &provider)
            .map_err(|why| format!("cannot read the authorities in `{}`: {why}", path.display()));
        Self { provider, verifier }
    }

    /// Why there are none, if there are none.
    pub fn lacking(&self) -> Option<&str> {
        self.verifier.as_ref().err().map(String::as_str)
    }

    /// What one connection needs, and who sees what comes of it.
    ///
    /// # Errors
    /// If there are no authorities: then no server can be trusted.
    pub(super) fn connection(&self) -> Result<(ClientConfig, Arc<Witness>), String> {
        let inner = Arc::clone(self.verifier.as_ref().map_err(Clone::clone)?);
        let witness = Arc::new(Witness { inner, seen: Mutex::default() });
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&witness) as Arc<dyn ServerCertVerifier>)
            .with_no_client_auth();
        // What one job's connection has agreed on is nothing to the next.
        config.resumption = Resumption::disabled();
        Ok((config, witness))
    }

    /// What a connection without TLS needs: a configuration that trusts nobody.
    ///
    /// # Errors
    /// If the versions of TLS are not there.
    pub(super) fn none(&self) -> Result<ClientConfig, String> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
    }
}

fn verifier(path: &Path, provider: &Arc<CryptoProvider>) -> Result<Arc<WebPkiServerVerifier>, String> {
    let found = CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())?;
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.filter_map(Result::ok));
    if added == 0 {
        return Err("it has no certificate".to_owned());
    }
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .map_err(|error| error.to_string())
}

/// Verifies as rustls does, and remembers what it saw. Which version was agreed on is told by which signature was
/// asked about.
#[derive(Debug)]
pub(super) struct Witness {
    inner: Arc<WebPkiServerVerifier>,
    seen: Mutex<Seen>,
}

/// What a [`Witness`] has seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    /// The version, if it came to that.
    pub(super) version: Option<&'static str>,
    /// Why the certificate is none that is trusted.
    pub(super) distrust: Option<String>,
}

impl Witness {
    pub(super) fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note<T>(&self, version: Option<&'static str>, verified: Result<T, Error>) -> Result<T, Error> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.version = version.or(seen.version);
        if let Err(error) = &verified {
            seen.distrust = Some(error.to_string());
        }
        verified
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified =
            self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        self.note(None, verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.note(Some("TLSv1.2"), self.inner.verify_tls12_signature(message, cert, dss))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.note(Some("TLSv1.3"), self.inner.verify_tls13_signature(message, cert, dss))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
