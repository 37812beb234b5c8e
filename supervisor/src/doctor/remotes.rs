//! What there is for jobs that do not run in a sandbox of ours: a container engine, authorities, credentials.

use std::ffi::OsStr;
use std::path::Path;

use stockade_policies::Host;

use super::advice::Advice;
use super::{Check, advice};
use crate::runner::docker::{self, Engine, EngineFacts, socket_path};
use crate::runner::http::Authorities;
use crate::supervisor::Remotes;

/// Where Docker and Podman listen if nobody says otherwise.
const USUAL_SOCKETS: [&str; 2] = ["/run/docker.sock", "/run/podman/podman.sock"];
/// What the tools of AWS take credentials from without a file: a key; the role of a task; the role of a pod.
const AWS_VARIABLES: [&[&str]; 4] = [
    &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"],
    &["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"],
    &["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
    &["AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"],
];
/// What made the machine, as its firmware says: a cloud names itself here.
const VENDOR: &str = "/sys/class/dmi/id/sys_vendor";

/// Looks at each. Nobody is called but the engine.
pub(super) async fn examine(checks: &mut Vec<Check>, remotes: &Remotes, host: &Host) {
    checks.push(engine(remotes.docker.as_deref(), host).await);
    checks.push(authorities(remotes.http_authorities.as_deref()));
    let vendor = std::fs::read_to_string(VENDOR).unwrap_or_default();
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| value != OsStr::new(""));
    checks.push(aws(remotes.functions.lambda.as_deref(), &vendor, set));
    checks.push(gcp(remotes.functions.gcp.functions.as_deref(), &vendor));
}

async fn engine(address: Option<&str>, host: &Host) -> Check {
    let name = "container engine";
    let Some(address) = address else {
        let there: String = USUAL_SOCKETS
            .into_iter()
            .filter(|socket| std::fs::symlink_metadata(socket).is_ok())
            .map(|socket| format!("; there is `{socket}`"))
            .collect();
        return Check::gap(name, format!("none is named{there}")).advised(advice::ENGINE);
    };
    match answers(address, host).await {
        Ok(facts) => {
            let EngineFacts { name: maker, version, api, runtime, .. } = facts;
            optional(name, format!("{maker} {version} at `{address}`, interface {api}, {runtime}"))
        }
        Err(why) => Check::gap(name, why).advised(advice::ENGINE),
    }
}

async fn answers(address: &str, host: &Host) -> Result<EngineFacts, String> {
    let socket = socket_path(address).map_err(|error| error.to_string())?;
    let engine = Engine::connect(&socket).await.map_err(|error| error.to_string())?;
    docker::init(host).map_err(|error| error.to_string())?;
    Ok(engine.facts)
}

/// Of HTTP calls, and of functions, whose authorities are always the host's.
fn authorities(instead: Option<&Path>) -> Check {
    let name = "certificate authorities";
    let read = [instead, None].map(Authorities::read);
    let lacking: Vec<&str> = read.iter().filter_map(Authorities::lacking).collect();
    match lacking.split_first() {
        None => optional(name, "they can be read".to_owned()),
        Some((one, [])) => Check::gap(name, (*one).to_owned()).advised(advice::AUTHORITIES),
        Some((one, [other, ..])) if one == other => {
            Check::gap(name, (*one).to_owned()).advised(advice::AUTHORITIES)
        }
        Some(_) => Check::gap(name, lacking.join("; ")).advised(advice::AUTHORITIES),
    }
}

fn aws(instead: Option<&str>, vendor: &str, set: impl Fn(&str) -> bool) -> Check {
    let mut there: Vec<String> = AWS_VARIABLES
        .iter()
        .filter(|names| names.iter().all(|name| set(name)))
        .map(|names| format!("`{}` in the environment", names.join("`, `")))
        .collect();
    if vendor.contains("Amazon") {
        there.push("a machine of AWS, which may have a role".to_owned());
    }
    credentials("functions of aws", instead, there, advice::AWS)
}

fn gcp(instead: Option<&str>, vendor: &str) -> Check {
    let there =
        vendor.contains("Google").then(|| "a machine of Google Cloud, which may have an account".to_owned());
    credentials("functions of gcp", instead, there.into_iter().collect(), advice::GCP)
}

fn credentials(name: &str, instead: Option<&str>, there: Vec<String>, advice: Advice) -> Check {
    let place = instead.map_or("called at their platform".to_owned(), |url| format!("called at `{url}`"));
    match there.is_empty() {
        false => optional(name, format!("{place}; {}", there.join(", "))),
        true => {
            Check::gap(name, format!("{place}; no credentials but those that services name")).advised(advice)
        }
    }
}

fn optional(name: &str, found: String) -> Check {
    Check { required: false, ..Check::good(name, found) }
}

#[cfg(test)]
mod tests {
    use super::super::Standing;
    use super::*;

    #[test]
    fn credentials_are_seen_where_the_tools_of_the_platform_look_for_them() {
        let with = |names: &'static [&str]| aws(None, "QEMU", move |name: &str| names.contains(&name));
        for names in AWS_VARIABLES {
            assert_eq!(with(names).standing, Standing::Good, "{names:?}");
        }
        for names in [&[][..], &["AWS_ACCESS_KEY_ID"], &["AWS_ROLE_ARN"]] {
            let check = with(names);
            assert_eq!((check.standing, check.required), (Standing::Gap, false));
            assert!(check.cost.is_some() && check.remedy.is_some());
        }
        assert_eq!(aws(None, "Amazon EC2", |_| false).standing, Standing::Good);
        assert_eq!(gcp(None, "Google").standing, Standing::Good);
        let elsewhere = gcp(Some("http://127.0.0.1:1"), "QEMU");
        assert!(elsewhere.standing == Standing::Gap && elsewhere.found.contains("`http://127.0.0.1:1`"));
    }
}
