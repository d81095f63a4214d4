//! Configuration that Envoy reads from files and reads again when they are replaced: listeners (LDS), or the filter
//! alone (ECDS), which is how Istio hands it over.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

const PLUGIN: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";

/// What is in the file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// All listeners.
    Listeners,
    /// The filter of the only listener.
    Filter,
}

/// A file that Envoy watches.
#[derive(Debug)]
pub struct Dynamic {
    file: PathBuf,
    version: AtomicU64,
}

impl Dynamic {
    /// Moves what is of this kind out of a bootstrap into a file in `folder`.
    #[must_use]
    pub fn split(kind: Kind, bootstrap: &mut Value, folder: &Path) -> Self {
        let dynamic = Self { file: folder.join("dynamic.json"), version: AtomicU64::new(0) };
        let source = json!({
            "resource_api_version": "V3",
            "path_config_source": { "path": dynamic.file },
        });
        bootstrap["node"] = json!({ "id": "test", "cluster": "test" });
        match kind {
            Kind::Listeners => {
                let listeners = bootstrap["static_resources"]["listeners"].take();
                bootstrap["static_resources"]
                    .as_object_mut()
                    .expect("an object")
                    .remove("listeners");
                bootstrap["dynamic_resources"] = json!({ "lds_config": source });
                dynamic.write_listeners(&listeners);
            }
            Kind::Filter => {
                let filter = Self::filter(&mut bootstrap["static_resources"]["listeners"][0]);
                let config = filter["typed_config"].take();
                *filter = json!({
                    "name": "rescind",
                    "config_discovery": { "config_source": source, "type_urls": [PLUGIN] },
                });
                dynamic.write_filter(&config);
            }
        }
        dynamic
    }

    /// The HTTP filter of a listener.
    pub fn filter(listener: &mut Value) -> &mut Value {
        &mut listener["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"][0]
    }

    /// Replaces all listeners.
    pub fn write_listeners(&self, listeners: &Value) {
        let typed = |listener: &Value| {
            let mut listener = listener.clone();
            listener["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
            listener
        };
        let resources: Vec<_> = listeners.as_array().expect("an array").iter().map(typed).collect();
        self.write(&resources);
    }

    /// Replaces the filter's configuration.
    pub fn write_filter(&self, typed_config: &Value) {
        self.write(&[json!({
            "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
            "name": "rescind",
            "typed_config": typed_config,
        })]);
    }

    /// Envoy sees only files that are moved to their place.
    ///
    /// # Panics
    ///
    /// When the disk is full.
    fn write(&self, resources: &[Value]) {
        let version = self.version.fetch_add(1, Ordering::Relaxed).to_string();
        let response = json!({ "version_info": version, "resources": resources });
        let new = self.file.with_extension("new");
        std::fs::write(&new, response.to_string()).unwrap();
        std::fs::rename(&new, &self.file).unwrap();
    }
}
