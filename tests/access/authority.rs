//! Authorities that make certificates, as good or as bad as asked for.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};

/// Whom others trust.
pub(crate) struct Authority {
    issuer: Option<Issuer<'static, KeyPair>>,
    pub(crate) pem: String,
}

/// A certificate and its key, in PEM.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
    pub(crate) der: Vec<u8>,
}

/// What makes a certificate another one.
pub(crate) type Change = fn(&mut CertificateParams);

impl Authority {
    pub(crate) fn called(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Some(Issuer::new(params, key));
        Self { issuer, pem }
    }

    /// Whom one trusts who trusts either.
    pub(crate) fn both(one: &Self, other: &Self) -> Self {
        Self {
            issuer: None,
            pem: format!("{}{}", one.pem, other.pem),
        }
    }

    /// A certificate for a server called `localhost`.
    pub(crate) fn server(&self, change: Change) -> Pair {
        self.pair("localhost", ExtendedKeyUsagePurpose::ServerAuth, change)
    }

    /// A certificate for a client.
    pub(crate) fn client(&self, change: Change) -> Pair {
        self.pair("gateway", ExtendedKeyUsagePurpose::ClientAuth, change)
    }

    fn pair(&self, name: &str, usage: ExtendedKeyUsagePurpose, change: Change) -> Pair {
        let key = KeyPair::generate().unwrap();
        let mut params = params(name, usage);
        change(&mut params);
        let certificate = params
            .signed_by(&key, self.issuer.as_ref().unwrap())
            .unwrap();
        Pair {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            der: certificate.der().to_vec(),
        }
    }
}

/// A certificate that nobody vouches for.
pub(crate) fn self_signed() -> Pair {
    let key = KeyPair::generate().unwrap();
    let params = params("gateway", ExtendedKeyUsagePurpose::ClientAuth);
    let certificate = params.self_signed(&key).unwrap();
    Pair {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
        der: certificate.der().to_vec(),
    }
}

fn params(name: &str, usage: ExtendedKeyUsagePurpose) -> CertificateParams {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![usage];
    params
}
