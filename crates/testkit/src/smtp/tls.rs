//! A certificate authority for one test.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring::default_provider,
        pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

/// Whom the server's certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CertificateName {
    /// `localhost` and 127.0.0.1.
    #[default]
    Localhost,
    /// Somebody else: a client must refuse it.
    Wrong,
}

/// A server's certificate and the file of its authority.
pub(super) struct Certificate {
    folder: TempDir,
    acceptor: TlsAcceptor,
}

impl Certificate {
    pub(super) fn new(name: CertificateName) -> anyhow::Result<Self> {
        let authority_key = KeyPair::generate()?;
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_certificate = authority.self_signed(&authority_key)?;
        let issuer = Issuer::new(authority, authority_key);
        let names = match name {
            CertificateName::Localhost => vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
            CertificateName::Wrong => vec!["other.example.com".to_owned()],
        };
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(names)?.signed_by(&key, &issuer)?;
        let folder = TempDir::new().context("cannot make a folder for the certificate")?;
        std::fs::write(folder.path().join("ca.pem"), authority_certificate.pem())?;
        let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        Ok(Self { folder, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    pub(super) fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub(super) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }
}
