//! A server's certificate, its key, and the authority that signed it: made, judged by its age, served with.
//!
//! [`decide`] is pure: the clock is an argument. All is PEM, because that is how Secrets keep it.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use time::OffsetDateTime;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{self, CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{self, RootCertStore, ServerConfig};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// An authority lives ten years, because its end is the one moment that clients notice.
const AUTHORITY_LIFE: SignedDuration = SignedDuration::from_hours(24 * 3650);
/// A certificate lives ninety days, and is renewed after sixty.
const CERTIFICATE_LIFE: SignedDuration = SignedDuration::from_hours(24 * 90);
/// What is left of a certificate when it is renewed, and of an authority when it is replaced.
const RENEWED_BEFORE: SignedDuration = SignedDuration::from_hours(24 * 30);
/// Clocks of other machines may be behind ours by so much.
const BACKDATED: SignedDuration = SignedDuration::from_hours(1);

/// Why an identity cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A certificate or key cannot be made, or cannot be read.
    #[error("cannot make a certificate")]
    Make(#[from] rcgen::Error),
    /// A certificate or key is not PEM.
    #[error("cannot read PEM")]
    Pem(#[from] pki_types::pem::Error),
    /// A certificate is not X.509.
    #[error("cannot read a certificate: {0}")]
    Certificate(String),
    /// Certificate and key cannot be served with.
    #[error("cannot serve with this certificate")]
    Tls(#[from] rustls::Error),
    /// The authorities of clients cannot be used.
    #[error("cannot check clients' certificates")]
    Clients(#[from] VerifierBuilderError),
    /// The time is none that certificates know.
    #[error("cannot write the time into a certificate")]
    Time(#[from] time::error::ComponentRange),
}

/// What a server proves itself with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// The authority that signed the certificate.
    pub authority: String,
    /// The authority's key, for renewals.
    pub authority_key: String,
    /// The server's certificate.
    pub certificate: String,
    /// The server's key.
    pub key: String,
}

/// What to do about an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It serves.
    Keep,
    /// Its authority signs another certificate, which no client notices.
    Renew,
    /// All is made anew.
    Create,
}

/// Whether `found` serves a server of these DNS `names` at `now`.
#[must_use]
pub fn decide(found: Option<&Identity>, names: &[String], now: Timestamp) -> Verdict {
    let Some(found) = found else {
        return Verdict::Create;
    };
    let Ok(authority) = Facts::read(&found.authority) else {
        return Verdict::Create;
    };
    let key = KeyPair::from_pem(&found.authority_key);
    if !authority.lasts(now) || !key.is_ok_and(|key| key.public_key_raw() == authority.key) {
        return Verdict::Create;
    }
    match Facts::read(&found.certificate) {
        Ok(certificate)
            if certificate.lasts(now)
                && certificate.issuer == authority.subject
                && certificate.names.as_slice() == names
                && found.server_config(None).is_ok() =>
        {
            Verdict::Keep
        }
        Ok(_) | Err(_) => Verdict::Renew,
    }
}

impl Identity {
    /// A new authority, and a certificate of it for a server of these DNS `names`.
    ///
    /// # Errors
    /// When a name is none, or the machine has no randomness.
    pub fn create(names: &[String], now: Timestamp) -> Result<Self, Error> {
        let mut params = CertificateParams::default();
        // Certificates name their authority by this: the time tells one authority from the next.
        let server = names.first().map_or("ecs-operator", String::as_str);
        let title = format!("{server} {now}");
        params
            .distinguished_name
            .push(DnType::CommonName, title.as_str());
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        valid(&mut params, now, AUTHORITY_LIFE)?;
        let key = KeyPair::generate()?;
        let created = Self {
            authority: params.self_signed(&key)?.pem(),
            authority_key: key.serialize_pem(),
            ..Self::default()
        };
        created.renew(names, now)
    }

    /// The same authority with another certificate.
    ///
    /// # Errors
    /// As [`Self::create`], and when authority or key cannot be read.
    pub fn renew(&self, names: &[String], now: Timestamp) -> Result<Self, Error> {
        let authority_key = KeyPair::from_pem(&self.authority_key)?;
        let issuer = Issuer::from_ca_cert_pem(&self.authority, authority_key)?;
        let key = KeyPair::generate()?;
        let params = server_params(names, now)?;
        Ok(Self {
            certificate: params.signed_by(&key, &issuer)?.pem(),
            key: key.serialize_pem(),
            ..self.clone()
        })
    }

    /// A certificate that is its own authority, for a server whose clients learn the certificate itself from a place
    /// that they trust. There is no authority, so nothing else can be signed with it.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn alone(names: &[String], now: Timestamp) -> Result<Self, Error> {
        let key = KeyPair::generate()?;
        let mut params = server_params(names, now)?;
        valid(&mut params, now, AUTHORITY_LIFE)?;
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self {
            authority: certificate.clone(),
            certificate,
            key: key.serialize_pem(),
            ..Self::default()
        })
    }

    /// What a listener needs. With `clients`, PEM of authorities, clients may show a certificate of one of them, and
    /// those that show another are turned away; without, nobody is asked for one.
    ///
    /// # Errors
    /// When the certificate, its key or `clients` cannot be used.
    pub fn server_config(&self, clients: Option<&str>) -> Result<Arc<ServerConfig>, Error> {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authorities) => {
                let roots = Arc::new(roots(authorities)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider)
                    .allow_unauthenticated()
                    .build()?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes())?;
        let mut config = builder.with_single_cert(certificates(&self.certificate)?, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// The authorities of `pem`, for checking the other side.
///
/// # Errors
/// When there is none, or one cannot be read.
pub fn roots(pem: &str) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate)?;
    }
    Ok(roots)
}

/// The authorities that clients trust from now on: `current`, and those of `published` that have not ended.
#[must_use]
pub fn bundle(current: &str, published: &str, now: Timestamp) -> String {
    let earlier = published
        .split_inclusive("-----END CERTIFICATE-----")
        .map(|one| format!("{}\n", one.trim()))
        .filter(|one| {
            one.trim() != current.trim() && Facts::read(one).is_ok_and(|facts| now < facts.until)
        });
    let mut bundle = format!("{}\n", current.trim());
    bundle.extend(earlier);
    bundle
}

fn server_params(names: &[String], now: Timestamp) -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::new(names)?;
    if let Some(name) = names.first() {
        params
            .distinguished_name
            .push(DnType::CommonName, name.as_str());
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    valid(&mut params, now, CERTIFICATE_LIFE)?;
    Ok(params)
}

fn valid(
    params: &mut CertificateParams,
    now: Timestamp,
    life: SignedDuration,
) -> Result<(), Error> {
    let at = |passed: SignedDuration| {
        let second = now.as_second().saturating_add(passed.as_secs());
        OffsetDateTime::from_unix_timestamp(second)
    };
    params.not_before = at(-BACKDATED)?;
    params.not_after = at(life)?;
    Ok(())
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>()?;
    if found.is_empty() {
        return Err(pki_types::pem::Error::NoItemsFound.into());
    }
    Ok(found)
}

/// What a certificate says, as far as a decision needs it.
struct Facts {
    subject: Vec<u8>,
    issuer: Vec<u8>,
    names: Vec<String>,
    key: Vec<u8>,
    from: Timestamp,
    until: Timestamp,
}

impl Facts {
    fn read(pem: &str) -> Result<Self, Error> {
        let der = CertificateDer::from_pem_slice(pem.as_bytes())?;
        let broken = |error: String| Error::Certificate(error);
        let (_, certificate) =
            X509Certificate::from_der(&der).map_err(|error| broken(error.to_string()))?;
        let names = certificate
            .subject_alternative_name()
            .map_err(|error| broken(error.to_string()))?;
        let dns = |name: &GeneralName<'_>| {
            if let GeneralName::DNSName(name) = name {
                Some((*name).to_owned())
            } else {
                None
            }
        };
        let at =
            |second: i64| Timestamp::from_second(second).map_err(|error| broken(error.to_string()));
        Ok(Self {
            subject: certificate.subject().as_raw().to_vec(),
            issuer: certificate.issuer().as_raw().to_vec(),
            names: names
                .map(|names| names.value.general_names.iter().filter_map(dns).collect())
                .unwrap_or_default(),
            key: certificate.public_key().subject_public_key.data.to_vec(),
            from: at(certificate.validity().not_before.timestamp())?,
            until: at(certificate.validity().not_after.timestamp())?,
        })
    }

    /// Whether it is valid now, and for long enough that nobody has to hurry.
    fn lasts(&self, now: Timestamp) -> bool {
        self.from <= now && now.duration_until(self.until) > RENEWED_BEFORE
    }
}
