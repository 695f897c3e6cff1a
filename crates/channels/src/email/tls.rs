//! TLS to the relay: whom to trust, and what to tell an operator when trust fails.

use std::{io, sync::Arc};

use postrider_domain::Reason;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, RootCertStore,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    fault::FaultKind,
    settings::{EmailError, EmailSettings, TlsMode},
};

/// Makes TLS connections to the one relay; for mode `None` there is nothing to make.
pub(super) struct Connector {
    tls: Option<(TlsConnector, ServerName<'static>)>,
    host: String,
    after_starttls: bool,
}

impl Connector {
    /// # Errors
    /// The CA file cannot be read, or the host is no name a certificate can carry.
    pub(super) fn new(settings: &EmailSettings) -> Result<Self, EmailError> {
        let tls = match settings.tls {
            TlsMode::None => None,
            TlsMode::Starttls | TlsMode::Implicit => {
                let name = ServerName::try_from(settings.host.clone())
                    .map_err(|_| EmailError::Host { host: settings.host.clone() })?;
                Some((TlsConnector::from(Arc::new(client_config(settings)?)), name))
            }
        };
        Ok(Self { tls, host: settings.host.clone(), after_starttls: settings.tls == TlsMode::Starttls })
    }

    /// The handshake.
    pub(super) async fn handshake(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, FaultKind> {
        let (connector, name) = self.tls.as_ref().expect("a handshake is asked for only in a mode that has TLS");
        connector.connect(name.clone(), stream).await.map_err(|error| self.explain(error))
    }

    /// A certificate that does not fit is ours or the relay's to mend; a connection that broke is neither.
    fn explain(&self, error: io::Error) -> FaultKind {
        let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) else {
            return FaultKind::Broken(error);
        };
        let host = &self.host;
        let remedy = match tls {
            rustls::Error::InvalidCertificate(problem) => untrusted(host, problem),
            rustls::Error::InvalidMessage(_) if self.after_starttls => {
                format!(
                    "{host} did not go on in TLS after STARTTLS: somebody on the way, or the relay, speaks plain text"
                )
            }
            rustls::Error::InvalidMessage(_) => format!(
                "{host} does not answer in TLS: check email.port, and set email.tls to \"starttls\" if the relay begins in \
                 plain text"
            ),
            rustls::Error::PeerIncompatible(_) => {
                format!("{host} and Postrider have no version or cipher of TLS in common")
            }
            rustls::Error::AlertReceived(AlertDescription::InternalError | AlertDescription::CloseNotify) => {
                return FaultKind::Broken(error);
            }
            _ => format!("TLS with {host} failed: check email.host, email.port and email.tls"),
        };
        FaultKind::Setup { reason: Reason::Tls, remedy, detail: tls.to_string() }
    }
}

fn untrusted(host: &str, problem: &CertificateError) -> String {
    match problem {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("the certificate of {host} is for another name: set email.host to the name it was issued for")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            format!(
                "the certificate of {host} has expired: the relay needs a new one, if the clock of this machine is right"
            )
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            format!("the certificate of {host} is not valid yet: is the clock of this machine right?")
        }
        CertificateError::UnknownIssuer => {
            format!("the certificate of {host} is from an authority that is not trusted here: set email.ca_file to it")
        }
        _ => format!("the certificate of {host} is not trusted: the relay needs another one"),
    }
}

fn client_config(settings: &EmailSettings) -> Result<ClientConfig, EmailError> {
    let provider: Arc<CryptoProvider> = Arc::new(rustls::crypto::ring::default_provider());
    let tls_error = |source| EmailError::Tls { source };
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(tls_error)?;
    let config = match &settings.ca_file {
        None => builder.with_platform_verifier().map_err(tls_error)?,
        Some(path) => {
            let ca_error = |source| EmailError::CaFile { path: path.clone(), source };
            let mut roots = RootCertStore::empty();
            let certificates =
                CertificateDer::pem_file_iter(path).map_err(|error| ca_error(io::Error::other(error)))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| ca_error(io::Error::other(error)))?;
                roots.add(certificate).map_err(|error| ca_error(io::Error::other(error)))?;
            }
            if roots.is_empty() {
                return Err(ca_error(io::Error::other("no certificate in it")));
            }
            builder.with_root_certificates(roots)
        }
    };
    Ok(config.with_no_client_auth())
}
