//! The files that settings name, and what they hold: it may change while the service runs, and is read
//! again then.

use std::path::PathBuf;

use super::fault::{Fault, Place, Problem};
use super::names::{
    AUTH_TOKENS, POLICY_PATH, POLICY_SHADOW, Setting, TLS_CERTIFICATE, TLS_CLIENT_CA, TLS_KEY,
};
use super::policy_source::PolicySource;
use super::tokens_file;
use crate::access::Access;
use crate::scoring::policy::Policies;
use crate::tls::{Tls, TlsFault, TlsFiles};

/// The files that settings name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// Where the policy is from.
    pub policy: PolicySource,
    /// Where the shadow policy is from, if there is one.
    pub shadow: Option<PolicySource>,
    /// Who may call what; without it anybody may who can connect.
    pub tokens: Option<PathBuf>,
    /// Certificates and key, where TLS is spoken.
    pub tls: Option<TlsFiles>,
}

/// What the files hold.
#[derive(Debug)]
pub struct Contents {
    /// The policy, and the one in its shadow.
    pub policies: Policies,
    /// Who may call what; `None`: anybody, anything.
    pub access: Option<Access>,
    /// What TLS is agreed on with; `None`: it is not spoken.
    pub tls: Option<Tls>,
}

/// Says of faults that concern a file as a whole which setting names it.
fn of_whole(named_by: &'static Setting) -> impl FnOnce(Vec<Fault>) -> Vec<Fault> {
    |mut faults| {
        for fault in &mut faults {
            if fault.position().is_none() && fault.field.is_empty() {
                named_by.path.clone_into(&mut fault.field);
            }
        }
        faults
    }
}

impl Files {
    /// Whether nobody gets in, or reads along, who has not been let in: by a token or by a certificate.
    #[must_use]
    pub fn keep_strangers_out(&self) -> bool {
        let asks = |tls: &TlsFiles| self.tokens.is_some() || tls.client_ca.is_some();
        self.tls.as_ref().is_some_and(asks)
    }

    /// Reads all of them.
    ///
    /// # Errors
    /// Every fault of every file.
    pub fn read(&self) -> Result<Contents, Vec<Fault>> {
        match (self.policies(), self.access(), self.tls()) {
            (Ok(policies), Ok(access), Ok(tls)) => Ok(Contents {
                policies,
                access,
                tls,
            }),
            (policies, access, tls) => {
                let faults = [policies.err(), access.err(), tls.err()];
                Err(faults.into_iter().flatten().flatten().collect())
            }
        }
    }

    /// The policies.
    ///
    /// # Errors
    /// Every fault of their files.
    pub fn policies(&self) -> Result<Policies, Vec<Fault>> {
        let read = |source: &PolicySource, named_by| source.read().map_err(of_whole(named_by));
        let shadow = self.shadow.as_ref();
        let shadow = shadow.map(|shadow| read(shadow, &POLICY_SHADOW));
        match (read(&self.policy, &POLICY_PATH), shadow.transpose()) {
            (Ok(policy), Ok(shadow)) => Ok(Policies::new(policy, shadow)),
            (policy, shadow) => {
                let faults = [policy.err(), shadow.err()];
                Err(faults.into_iter().flatten().flatten().collect())
            }
        }
    }

    /// Who may call what; `None`: anybody, anything.
    ///
    /// # Errors
    /// Every fault of the file.
    pub fn access(&self) -> Result<Option<Access>, Vec<Fault>> {
        let access = self.tokens.as_deref().map(tokens_file::read).transpose();
        access.map_err(of_whole(&AUTH_TOKENS))
    }

    /// What TLS is agreed on with; `None`: it is not spoken.
    ///
    /// # Errors
    /// What is wrong with one of the files.
    pub fn tls(&self) -> Result<Option<Tls>, Vec<Fault>> {
        let read = self.tls.as_ref().map(TlsFiles::read).transpose();
        read.map_err(|TlsFault { file, problem }| {
            let named_by = match &self.tls {
                Some(tls) if tls.key == file => &TLS_KEY,
                Some(tls) if tls.client_ca.as_ref() == Some(&file) => &TLS_CLIENT_CA,
                Some(_) | None => &TLS_CERTIFICATE,
            };
            let fault = Fault {
                place: Place::File {
                    path: file,
                    position: None,
                },
                field: String::new(),
                problem: Problem::Content(problem.to_string()),
            };
            of_whole(named_by)(vec![fault])
        })
    }

    /// The files of policies.
    #[must_use]
    pub fn policy_paths(&self) -> Vec<PathBuf> {
        let sources = [Some(&self.policy), self.shadow.as_ref()];
        let sources = sources.into_iter().flatten();
        sources.filter_map(PolicySource::path).cloned().collect()
    }

    /// The files of certificates and of the key.
    #[must_use]
    pub fn tls_paths(&self) -> Vec<PathBuf> {
        let paths = |tls: &TlsFiles| {
            [
                Some(tls.certificate.clone()),
                Some(tls.key.clone()),
                tls.client_ca.clone(),
            ]
        };
        self.tls.iter().flat_map(paths).flatten().collect()
    }
}
