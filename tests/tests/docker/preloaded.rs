//! Images that have every program load a library of theirs, ld.so(8).

use std::os::unix::fs::symlink;
use std::path::Path;

use super::rig::compile_with;
use super::*;

const LIBRARY: &str = include_str!("preloaded.c");

/// An image with a library and, by `name_it`, something in its `/etc` that may name it.
fn image(name: &str, name_it: impl Fn(&Path)) -> String {
    RIG.engine.import_with(name, &[], |bin| {
        let root = bin.parent().unwrap();
        for directory in ["etc", "lib", "lib64"] {
            std::fs::create_dir(root.join(directory)).unwrap();
        }
        compile_with(&["-shared", "-fPIC"], LIBRARY, &root.join("evil.so"));
        // Names without a slash are looked for here, and a table of hosts has this one.
        symlink("/evil.so", root.join("lib/localhost")).unwrap();
        name_it(&root.join("etc"));
    })
}

/// What a program of the host's prints that is run by its loader, as init is, with nothing of ours in between.
fn unguarded(image: &str) -> String {
    let libraries = "/lib/x86_64-linux-gnu:/host:ro";
    let image = image.split_once('@').unwrap().1;
    // Podman would raise both as far as they go, which takes a privilege on some hosts.
    let limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];
    let binds = ["--volume", libraries, "--volume", "/bin/true:/true:ro", image];
    let loader = ["/host/ld-linux-x86-64.so.2", "--inhibit-cache", "--library-path", "/host", "/true"];
    let container = RIG.engine.said(&[&["run", "--detach"], &limits[..], &binds, &loader].concat());
    RIG.engine.said(&["wait", &container]);
    let printed = RIG.engine.said(&["logs", &container]);
    RIG.engine.said(&["rm", &container]);
    printed
}

#[test]
fn no_library_of_an_image_is_loaded_into_its_first_process() {
    let images = [
        ("named", image("named", |etc| std::fs::write(etc.join("ld.so.preload"), "/evil.so\n").unwrap())),
        ("linked", image("linked", |etc| symlink("/etc/hosts", etc.join("ld.so.preload")).unwrap())),
        ("unnamed", image("unnamed", |_| ())),
    ];
    let service = |(name, image): &(&str, String)| {
        format!(
            "  - name: {name}\n    execution_type: docker\n    runner_config: {{allowed_images: [\"{image}\"]}}\n    operations:\n      \
             - {{name: run, max_retries: 0, runner_config: {{command: [/bin/cat, /evil.so]}}}}\n"
        )
    };
    let services: String = images.iter().map(service).collect();
    let server = Server::start_in(place(&format!("services:\n{services}"), &RIG.engine));
    for (name, image) in &images {
        let (job, named) = (server.run(name, "run", &json!({})), *name != "unnamed");
        assert_eq!(unguarded(image).contains("loaded"), named, "{name}");
        if named {
            let error = job["error_message"].as_str().unwrap();
            assert!(error.contains("error mounting"), "{error}");
            assert_eq!(only_attempt(&server, &job)["status"], "setup_failed", "{job}");
        } else {
            assert_eq!(job["status"], "completed", "{job}");
        }
    }
}
