//! What an engine warns of when it makes a container.

/// What it says of a limit or an option that it was asked for and leaves away. Docker and Podman have no other words for it
/// (`daemon/daemon_unix.go`, `pkg/specgen/generate/validate_linux.go`).
const LEFT_AWAY: [&str; 4] = ["discard", "not support", "without swap", "ignored"];

/// The first warning by which the container is not what was asked for.
pub(super) fn left_away(warnings: &[String]) -> Option<&String> {
    warnings.iter().find(|warning| {
        let warning = warning.to_lowercase();
        LEFT_AWAY.iter().any(|words| warning.contains(words))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_is_not_kept_is_told_from_what_is_only_said() {
        for warning in [
            "Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.",
            "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.",
            "Your kernel does not support pids limit capabilities or the cgroup is not mounted. PIDs limit discarded.",
            "PIDs limit discarded.",
            "Resource limits are not supported and ignored on cgroups V1 rootless systems",
        ] {
            assert_eq!(left_away(&[String::new(), warning.to_owned()]).map(String::as_str), Some(warning));
        }
        let platform = "The requested image's platform (linux/arm64) does not match the detected host platform (linux/amd64) and no \
                        specific platform was requested";
        assert_eq!(left_away(&[platform.to_owned()]), None);
    }
}
