//! The image: whether it is the one that was reviewed, and what it brings.

use bollard::models::ImageInspect;
use stockade_plan::AbsPath;

use super::engine::{Engine, EngineError};

/// An image that the engine has, looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Image {
    /// Its id, `sha256:…`: what a container is made of.
    pub(super) id: String,
    /// What it would run.
    pub(super) command: Vec<String>,
    /// Names of the variables that it would set.
    pub(super) variables: Vec<String>,
    /// The volumes that it declares, in order.
    pub(super) volumes: Vec<AbsPath>,
}

/// No image declares as many that would share a job's disk.
const VOLUMES_MAX: usize = 16;
/// The kernel's; what is mounted there is not an image's to choose.
const KERNELS: [&str; 3] = ["/proc", "/sys", "/dev"];

/// An image cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// It is not there. None is ever fetched for a job.
    #[error("the engine has no image `{0}`: load it there first; none is fetched for a job")]
    Missing(String),
    /// What the engine has under that name is something else.
    #[error("the image `{asked}` is not what the engine has: its id is `{id}`, its digests are {digests:?}")]
    Other {
        /// What the policy names.
        asked: String,
        /// What the engine has.
        id: String,
        /// By which digests it was fetched.
        digests: Vec<String>,
    },
    /// A volume of an image would be a directory of the host's that a job could fill, and run programs from.
    #[error(
        "the image declares the volumes {0:?}, which cannot be given a limit: there may be 16, each an absolute path without `:`, `,` or `\"`, \
         outside of `/proc`, `/sys` and `/dev`; build one without such a `VOLUME`"
    )]
    Volumes(Vec<String>),
}

/// The image that `asked` (`name@sha256:…`) names. The digest is that of the manifest by which it was fetched, or, of one
/// that was imported and never had a manifest, its id.
pub(super) async fn look(engine: &Engine, asked: &str) -> Result<Image, ImageError> {
    let digest = asked.split_once('@').map_or("", |(_, digest)| digest);
    let look = async |name: &str| engine.ask("look at an image", engine.docker.inspect_image(name)).await;
    let found = match look(asked).await {
        Err(EngineError::Refused { status: 404, .. }) => look(digest).await,
        found => found,
    };
    match found {
        Ok(found) => checked(asked, digest, found),
        Err(EngineError::Refused { status: 404, .. }) => Err(ImageError::Missing(asked.to_owned())),
        Err(error) => Err(error.into()),
    }
}

fn checked(asked: &str, digest: &str, found: ImageInspect) -> Result<Image, ImageError> {
    let id = found.id.unwrap_or_default();
    let id = if id.starts_with("sha256:") { id } else { format!("sha256:{id}") };
    let digests = found.repo_digests.unwrap_or_default();
    let fetched = digests.iter().any(|known| known.split_once('@').is_some_and(|(_, known)| known == digest));
    if !digest.starts_with("sha256:") || !(fetched || id == digest) {
        return Err(ImageError::Other { asked: asked.to_owned(), id, digests });
    }
    let config = found.config.unwrap_or_default();
    let volumes = volumes(config.volumes.unwrap_or_default())?;
    let name = |variable: String| variable.split('=').next().map(str::to_owned);
    let command = config.entrypoint.unwrap_or_default().into_iter().chain(config.cmd.unwrap_or_default());
    Ok(Image {
        id,
        command: command.collect(),
        variables: config.env.unwrap_or_default().into_iter().filter_map(name).collect(),
        volumes,
    })
}

/// Paths where an engine can be asked for a file system in place of a volume.
fn volumes(mut declared: Vec<String>) -> Result<Vec<AbsPath>, ImageError> {
    declared.sort_unstable();
    let within = |path: &str, above: &str| {
        path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let path = |text: &String| {
        let path = AbsPath::new(text.strip_suffix('/').unwrap_or(text)).ok()?;
        let kernels = path.as_str() != "/dev/shm" && KERNELS.iter().any(|above| within(path.as_str(), above));
        let sayable = !path.as_str().contains([':', ',', '"', '\n']);
        (sayable && !kernels && path.as_str() != "/").then_some(path)
    };
    let paths: Option<Vec<_>> = declared.iter().map(path).collect();
    let mut paths = paths.filter(|paths| paths.len() <= VOLUMES_MAX).ok_or(ImageError::Volumes(declared))?;
    paths.dedup();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use bollard::models::ImageConfig;

    use super::*;

    const ID: &str = "sha256:96f346ea9f23d55734d288132d1ee37ba01391b1ec995086baffb756d393ea84";

    fn found(digests: &[&str], config: ImageConfig) -> ImageInspect {
        ImageInspect {
            id: Some(ID.to_owned()),
            repo_digests: Some(digests.iter().map(ToString::to_string).collect()),
            config: Some(config),
            ..ImageInspect::default()
        }
    }

    #[test]
    fn an_image_is_what_its_digest_or_its_id_says() {
        let other = format!("sha256:{}", "0".repeat(64));
        let of =
            |digest: &str, digests: &[&str]| checked("box", digest, found(digests, ImageConfig::default()));
        assert!(of(ID, &[]).is_ok());
        assert!(of(&other, &[&format!("box@{other}")]).is_ok());
        assert!(matches!(of(&other, &[]), Err(ImageError::Other { .. })));
        assert!(matches!(of("", &[]), Err(ImageError::Other { .. })));
    }

    #[test]
    fn what_an_image_would_run_is_known() {
        let config = ImageConfig {
            entrypoint: Some(vec!["/run".to_owned()]),
            cmd: Some(vec!["all".to_owned()]),
            env: Some(vec!["LD_PRELOAD=/x".to_owned()]),
            ..ImageConfig::default()
        };
        let image = checked("box", ID, found(&[], config.clone())).unwrap();
        assert_eq!(
            (image.command, image.variables),
            (vec!["/run".into(), "all".into()], vec!["LD_PRELOAD".into()])
        );
    }

    #[test]
    fn volumes_where_nothing_can_be_mounted_for_a_job_are_refused() {
        let of = |paths: &[&str]| {
            let volumes = Some(paths.iter().map(ToString::to_string).collect());
            checked("box", ID, found(&[], ImageConfig { volumes, ..ImageConfig::default() }))
        };
        let paths = |image: Image| image.volumes.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            paths(of(&["/var/data/", "/data", "/var/data", "/dev/shm"]).unwrap()),
            ["/data", "/dev/shm", "/var/data"]
        );
        let many: Vec<_> = (0..17).map(|number| format!("/{number}")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        assert!(of(&many[1..]).is_ok());
        for paths in [
            &["/"][..],
            &["data"],
            &["/a/../proc"],
            &["/proc"],
            &["/sys/fs"],
            &["/dev"],
            &["/a:ro"],
            &["/a,b"],
            &many,
        ] {
            assert!(matches!(of(paths), Err(ImageError::Volumes(_))), "{paths:?}");
        }
    }
}
