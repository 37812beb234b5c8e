//! The demo's job in a container, if an engine answers. Its image is the host's busybox and nothing else, and goes when the
//! demo has ended.

use std::path::Path;

use bollard::query_parameters::CreateImageOptionsBuilder;
use bollard::{API_DEFAULT_VERSION, Docker, body_full};
use futures_util::StreamExt as _;
use stockade_plan::AbsPath;
use stockade_policies::Host;

use super::cases::{Case, Given};
use super::expect::honest;
use crate::runner::docker::{Engine, socket_path};

/// The program of the image: one file that needs no other.
const BUSYBOX: &str = "/bin/busybox";
const NAME: &str = "stockade-demo";
/// Seconds for each answer of the engine.
const PATIENCE: u64 = 30;

/// What the row is called, whether there is one or not.
pub(super) const ROW: &str = "job in a container";

/// The job.
pub(super) const CASE: Case = Case {
    name: ROW,
    calls: ("containers", "shell"),
    kind: "docker",
    script: "cat /job/input.json > /dev/null; echo '{\"six_times_seven\": 42}' > result.json; /bin/busybox id -u",
    given: Given::Nothing,
    timeout_seconds: None,
    judge: honest::contained,
};

/// An engine with the demo's image.
pub(super) struct Container {
    docker: Docker,
    image: String,
}

impl Container {
    /// Makes the image in the engine at `address`; or why there is nothing to be shown.
    pub(super) async fn prepare(address: Option<&str>) -> Result<Self, String> {
        let address = address.ok_or("no container engine was named with `--docker-host`")?;
        let socket = socket_path(address).map_err(|error| error.to_string())?;
        Engine::connect(&socket).await.map_err(|error| error.to_string())?;
        let docker = Docker::connect_with_unix(&socket.to_string_lossy(), PATIENCE, API_DEFAULT_VERSION);
        let docker = docker.map_err(|error| error.to_string())?;
        let docker = docker.negotiate_version().await.map_err(|error| error.to_string())?;
        let archive = archive(Path::new(BUSYBOX))?;
        let options = CreateImageOptionsBuilder::new().from_src("-").repo(NAME).build();
        let mut made =
            std::pin::pin!(docker.create_image(Some(options), Some(body_full(archive.into())), None));
        while let Some(said) = made.next().await {
            said.map_err(|error| format!("the engine makes no image: {error}"))?;
        }
        let found = docker.inspect_image(NAME).await.map_err(|error| error.to_string())?;
        let id = found.id.ok_or("the engine's image has no id")?;
        Ok(Self { docker, image: format!("{NAME}@{id}") })
    }

    /// The service that goes into the registry.
    pub(super) fn service(&self) -> String {
        format!(
            "  - name: containers\n    execution_type: docker\n    runner_config: {{allowed_images: [\"{}\"]}}\n    \
             security_policy: {{resource_limits: {{memory_mb: 64}}, outputs: [result.json]}}\n    operations:\n      \
             - {{name: shell, runner_config: {{interpreter: [/bin/sh], script_from_input: script}}, \
             input_schema: {{script: text}}}}\n",
            self.image
        )
    }

    /// Removes the image.
    pub(super) async fn remove(self) {
        let options = None::<bollard::query_parameters::RemoveImageOptions>;
        if let Err(error) = self.docker.remove_image(NAME, options, None).await {
            tracing::warn!(image = NAME, %error, "the demo's image is left behind");
        }
    }
}

/// An archive with busybox as `bin/busybox` and `bin/sh`, in the form of ustar; pax(1), POSIX.1-2017.
fn archive(program: &Path) -> Result<Vec<u8>, String> {
    let unusable =
        |why: String| format!("there is nothing to make an image of: `{}` {why}", program.display());
    let name =
        AbsPath::new(program.to_string_lossy().as_ref()).map_err(|error| unusable(error.to_string()))?;
    let files = Host::new().files_of(&name).map_err(|error| unusable(error.to_string()))?;
    if files.loader.is_some() {
        return Err(unusable("needs libraries; Debian's `busybox-static` does not".to_owned()));
    }
    let bytes = std::fs::read(program).map_err(|error| unusable(format!("cannot be read: {error}")))?;
    let mut archive = Vec::new();
    for path in ["bin/busybox", "bin/sh", "bin/cat"] {
        let link = path != "bin/busybox";
        archive.extend(header(path, if link { 0 } else { bytes.len() }, link));
        if !link {
            archive.extend(&bytes);
            archive.resize(archive.len().next_multiple_of(BLOCK), 0);
        }
    }
    // Two empty blocks end it.
    archive.resize(archive.len() + 2 * BLOCK, 0);
    Ok(archive)
}

/// The block of the format, bytes.
const BLOCK: usize = 512;

/// The header of a program, or of a symbolic link beside it to `busybox`.
fn header(path: &str, size: usize, link: bool) -> Vec<u8> {
    let (kind, target) = if link { ('2', "busybox") } else { ('0', "") };
    let text = |checksum: &str| {
        let mut block = Vec::new();
        let mut field = |text: &str, width: usize| {
            let end = block.len() + width;
            block.extend(text.bytes().take(width));
            block.resize(end, 0);
        };
        field(path, 100);
        for number in ["0000755", "0000000", "0000000"] {
            field(number, 8);
        }
        field(&format!("{size:011o}"), 12);
        field("00000000000", 12);
        field(checksum, 8);
        field(&kind.to_string(), 1);
        field(target, 100);
        field("ustar", 6);
        field("00", 2);
        block.resize(BLOCK, 0);
        block
    };
    // The sum is made with blanks in its own place.
    let sum: u64 = text("        ").iter().map(|byte| u64::from(*byte)).sum();
    text(&format!("{sum:06o}\0 "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_a_block_whose_sum_is_right() {
        let block = header("bin/sh", 0, true);
        assert_eq!(block.len(), BLOCK);
        assert_eq!(&block[156..164], b"2busybox".as_slice());
        let said = std::str::from_utf8(&block[148..154]).unwrap();
        let blank: u64 = block
            .iter()
            .enumerate()
            .map(|(i, b)| if (148..156).contains(&i) { 32 } else { u64::from(*b) })
            .sum();
        assert_eq!(u64::from_str_radix(said, 8).unwrap(), blank);
    }
}
