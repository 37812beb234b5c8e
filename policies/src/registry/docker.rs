//! What a Docker service says, parsed strictly and kept for its runner.

use serde::Serialize;

use super::settings::named;
use super::settings::{seconds, text, texts};
use crate::diagnostic::Diagnostic;
use crate::policy::{Clauses, Image};
use crate::yaml::{Fields, Node, Reader};

/// The settings of a Docker service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DockerSettings {
    /// Images that a job may name.
    pub allowed_images: Vec<String>,
    /// Host directories that a job may mount.
    pub allowed_mounts: Vec<String>,
    /// Seconds.
    pub default_timeout: Option<u64>,
    /// Docker's network mode.
    pub network_mode: Option<String>,
    /// Processor cores, in thousandths.
    pub cpu_millicores: Option<u64>,
    /// Mebibytes.
    pub memory_mb: Option<u64>,
    /// Mebibytes.
    pub disk_mb: Option<u64>,
}

/// What a service's `allowed_images` say of what its containers may be made from. A tag is read, because registries have
/// them, and means nothing: no job can name it.
pub(crate) fn implied(reader: &Reader, config: Option<&Node>) -> Clauses {
    let images = config.and_then(|node| node.get("allowed_images"));
    let named = images.map(|node| named(reader, node, &Diagnostic::warning, Image::parse));
    Clauses { images: named, ..Clauses::default() }
}

impl DockerSettings {
    pub(crate) fn decode(reader: &Reader, config: Option<&Node>, allowed_mounts: Option<&Node>) -> Self {
        let mut settings =
            Self { allowed_mounts: texts(reader, allowed_mounts, "a list of paths"), ..Self::default() };
        let Some(mut fields) = config.and_then(|node| Fields::of(reader, node, "a Docker `runner_config`"))
        else {
            return settings;
        };
        settings.allowed_images = texts(reader, fields.optional("allowed_images"), "a list of images");
        settings.default_timeout = seconds(reader, fields.optional("default_timeout"));
        settings.network_mode = text(reader, fields.optional("network_mode"), "a network mode");
        if let Some(node) = fields.optional("resource_limits") {
            settings.limits(reader, node);
        }
        fields.finish();
        settings
    }

    fn limits(&mut self, reader: &Reader, node: &Node) {
        let Some(mut fields) = Fields::of(reader, node, "`resource_limits` of a Docker service") else {
            return;
        };
        self.cpu_millicores =
            fields.optional("cpu").and_then(|node| reader.thousandths(node, 10..=1_024_000));
        self.memory_mb = fields.optional("memory_mb").and_then(|node| reader.integer(node, 4..=1024 * 1024));
        self.disk_mb = fields.optional("disk_mb").and_then(|node| reader.integer(node, 1..=1024 * 1024));
        fields.finish();
    }
}
