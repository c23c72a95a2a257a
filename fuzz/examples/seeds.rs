//! `seeds FOLDER` writes the seeds of the targets, and prints the name and the group of each target.

fn main() -> std::io::Result<()> {
    let folder = std::env::args_os().nth(1).expect("a folder");
    for [name, group] in trailwarden_fuzz::write_seeds(folder.as_ref())? {
        println!("{name} {group}");
    }
    Ok(())
}
