//! `make image`: writes the images of the filter and of the companion and prints their digests.

use std::path::Path;
use std::process::ExitCode;

use rescind_e2e::images;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [folder, wasm, companion] = arguments.as_slice() else {
        eprintln!("usage: image FOLDER RESCIND.WASM RESCIND");
        return ExitCode::from(64);
    };
    match images::write(Path::new(folder), Path::new(wasm), Path::new(companion)) {
        Ok(images) => {
            for image in images {
                println!("{}\t{}", image.reference, image.digest);
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("image: {error}");
            ExitCode::FAILURE
        }
    }
}
