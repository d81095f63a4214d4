//! A real Envoy with `rescind.wasm` in it (or without, for comparison).

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use serde_json::{Value, json};

use crate::http::{self, Client, Message, Request};
use crate::process::{Folder, Process};
use crate::{ports, tools, wait};

/// What to build an Envoy from.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    /// Worker threads.
    pub workers: u32,
    /// The module, or none for a bare Envoy.
    pub wasm: Option<PathBuf>,
    /// The filter's configuration.
    pub filter: Value,
    /// Clusters by name, each a port on loopback.
    pub clusters: Vec<(String, u16)>,
    /// How Envoy treats a trap; [`Envoy::FAIL_RELOAD`] is the documented setting.
    pub failure_policy: String,
}

/// A running Envoy: one listener that forwards to the cluster `upstream`.
#[derive(Debug)]
pub struct Envoy {
    /// The process, for its log and memory.
    pub process: Process,
    /// The listener.
    pub port: u16,
    /// The admin interface.
    pub admin: u16,
    access_log: PathBuf,
}

impl Envoy {
    /// The failure policy that the README documents.
    pub const FAIL_RELOAD: &'static str = "FAIL_RELOAD";

    /// Starts one and waits until its listener answers.
    ///
    /// # Panics
    ///
    /// When it does not come up.
    #[must_use]
    pub fn start(bootstrap: &Bootstrap, folder: &Path) -> Self {
        Self::start_on(bootstrap, folder, ports::free(), ports::free())
    }

    /// As [`Envoy::start`], on given ports: for a restart.
    ///
    /// # Panics
    ///
    /// When it does not come up.
    #[must_use]
    pub fn start_on(bootstrap: &Bootstrap, folder: &Path, port: u16, admin: u16) -> Self {
        Self::start_changed(bootstrap, folder, (port, admin), |_| ())
    }

    /// As [`Envoy::start_on`], with a bootstrap file that was changed.
    ///
    /// # Panics
    ///
    /// When it does not come up.
    #[must_use]
    pub fn start_changed(
        bootstrap: &Bootstrap,
        folder: &Path,
        (port, admin): (u16, u16),
        change: impl FnOnce(&mut Value),
    ) -> Self {
        let access_log = folder.join("access.log");
        let file = folder.join("envoy.json");
        let mut rendered = bootstrap.render(port, admin, &access_log);
        change(&mut rendered);
        std::fs::write(&file, rendered.to_string()).unwrap();
        Self::run(&file, bootstrap.workers, (port, admin), folder)
    }

    /// Starts one with a bootstrap file of its own, which names these ports.
    ///
    /// # Panics
    ///
    /// When it does not come up.
    #[must_use]
    pub fn run(file: &Path, workers: u32, (port, admin): (u16, u16), folder: &Path) -> Self {
        let access_log = folder.join("access.log");
        let mut command = Command::new(tools::envoy());
        command.arg("--config-path").arg(file).args([
            "--concurrency",
            &workers.to_string(),
            "--disable-hot-restart",
            "--log-level",
            "warning",
            "--component-log-level",
            "wasm:debug",
        ]);
        let process = Process::spawn("envoy", &mut command, &folder.join("envoy.log"));
        let mut envoy = Self { process, port, admin, access_log };
        wait::until("envoy to be ready", wait::START, || {
            if let Some(status) = envoy.process.ended() {
                panic!("envoy ended at start: {status}");
            }
            let answer = http::send(admin, &Request::get("/ready")).ok()?;
            (answer.status() == 200).then_some(())
        });
        envoy
    }

    /// What `envoy --mode validate` says about a bootstrap.
    #[must_use]
    pub fn validate(bootstrap: &Bootstrap) -> (ExitStatus, String) {
        let folder = Folder::new();
        let file = folder.path().join("envoy.json");
        let rendered = bootstrap.render(ports::free(), ports::free(), Path::new("/dev/null"));
        std::fs::write(&file, rendered.to_string()).unwrap();
        Self::validate_file(&file)
    }

    /// What `envoy --mode validate` says about a file; paths in it are relative to the repository.
    #[must_use]
    pub fn validate_file(file: &Path) -> (ExitStatus, String) {
        let output = Command::new(tools::envoy())
            .current_dir(tools::repository())
            .args(["--mode", "validate", "--log-level", "warning", "--config-path"])
            .arg(file)
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status, String::from_utf8_lossy(&text).into_owned())
    }

    /// A client with a connection of its own.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.port)
    }

    /// Sends one request on a fresh connection.
    ///
    /// # Panics
    ///
    /// When Envoy does not answer.
    #[must_use]
    pub fn send(&self, request: &Request) -> Message {
        http::send(self.port, request).expect("envoy answers")
    }

    /// The status of `GET path` with a bearer token.
    #[must_use]
    pub fn get(&self, path: &str, token: &str) -> u16 {
        self.send(&Request::get(path).bearer(token)).status()
    }

    /// One of the filter's counters or gauges (all workers together); 0 while unknown.
    #[must_use]
    pub fn metric(&self, name: &str) -> u64 {
        let request = Request::get(&format!("/stats?filter={name}$"));
        let text = http::send(self.admin, &request).expect("admin answers").text();
        text.lines().filter_map(|line| line.rsplit_once(": ")?.1.parse::<u64>().ok()).sum()
    }

    /// Waits until a metric reaches a value (the filter reports on its ticks).
    pub fn metric_reaches(&self, name: &str, value: u64) {
        let what = format!("{name} to reach {value}");
        wait::until_true(&what, wait::SOON, || self.metric(name) >= value);
    }

    /// The access log so far: one JSON object a line.
    #[must_use]
    pub fn access_log(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.access_log).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Waits for an access log line.
    pub fn logged(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        wait::until(what, Duration::from_secs(15), || self.access_log().into_iter().find(&wanted))
    }
}

impl Bootstrap {
    /// A bare Envoy in front of this upstream.
    #[must_use]
    pub fn bare(upstream: u16) -> Self {
        Self {
            workers: 1,
            wasm: None,
            filter: Value::Null,
            clusters: vec![("upstream".to_owned(), upstream)],
            failure_policy: Envoy::FAIL_RELOAD.to_owned(),
        }
    }

    /// The bootstrap file, in Envoy's JSON form.
    #[must_use]
    pub fn render(&self, port: u16, admin: u16, access_log: &Path) -> Value {
        let clusters: Vec<_> = self.clusters.iter().map(cluster).collect();
        let mut filters = vec![json!({
            "name": "envoy.filters.http.router",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router",
            },
        })];
        if let Some(wasm) = &self.wasm {
            filters.insert(0, self.wasm_filter(wasm));
        }
        json!({
            "admin": { "address": address(admin) },
            "static_resources": {
                "clusters": clusters,
                "listeners": [{
                    "name": "gateway",
                    "address": address(port),
                    "enable_reuse_port": true,
                    "filter_chains": [{ "filters": [{
                        "name": "envoy.filters.network.http_connection_manager",
                        "typed_config": connection_manager(&filters, access_log),
                    }] }],
                }],
            },
        })
    }

    fn wasm_filter(&self, wasm: &Path) -> Value {
        json!({
            "name": "rescind",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                "config": {
                    "name": "rescind",
                    "root_id": "rescind",
                    "failure_policy": self.failure_policy,
                    // The base is Envoy's 1 s by default; its minimum keeps the trap test short.
                    "reload_config": { "backoff": { "base_interval": "1s" } },
                    "configuration": {
                        "@type": "type.googleapis.com/google.protobuf.StringValue",
                        "value": self.filter.to_string(),
                    },
                    "vm_config": {
                        "vm_id": "rescind",
                        "runtime": "envoy.wasm.runtime.v8",
                        "code": { "local": { "filename": wasm } },
                    },
                },
            },
        })
    }
}

fn address(port: u16) -> Value {
    json!({ "socket_address": { "address": "127.0.0.1", "port_value": port } })
}

fn cluster((name, port): &(String, u16)) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address(*port) } }] }],
        },
    })
}

fn connection_manager(filters: &[Value], access_log: &Path) -> Value {
    json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager\
                  .v3.HttpConnectionManager",
        "stat_prefix": "gateway",
        "http_filters": filters,
        "upgrade_configs": [{ "upgrade_type": "websocket" }],
        "access_log": [{
            "name": "envoy.access_loggers.file",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3\
                          .FileAccessLog",
                "path": access_log,
                "log_format": { "json_format": {
                    "status": "%RESPONSE_CODE%",
                    "path": "%REQ(:PATH)%",
                    "reason": "%FILTER_STATE(wasm.rescind.reason:PLAIN)%",
                    "signal": "%FILTER_STATE(wasm.rescind.signal:PLAIN)%",
                    "subject": "%FILTER_STATE(wasm.rescind.sub:PLAIN)%",
                    "issuer": "%FILTER_STATE(wasm.rescind.iss:PLAIN)%",
                    "actors": "%FILTER_STATE(wasm.rescind.actors:PLAIN)%",
                    "may_act": "%FILTER_STATE(wasm.rescind.may_act:PLAIN)%",
                } },
            },
        }],
        "route_config": {
            "virtual_hosts": [{
                "name": "api",
                "domains": ["*"],
                "routes": [{ "match": { "prefix": "/" }, "route": {
                    "cluster": "upstream",
                    // Streams may last.
                    "timeout": "0s",
                } }],
            }],
        },
    })
}
