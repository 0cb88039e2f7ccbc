//! The collation that MySQL and MariaDB compare texts with.

use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

/// The collation of this server that compares byte for byte and does not pad.
///
/// # Errors
///
/// The server does not answer, or is too old to have one.
pub(super) async fn of_server(connection: &impl ConnectionTrait) -> Result<&'static str, DbErr> {
    let asked = Statement::from_string(DbBackend::MySql, "SELECT VERSION()");
    let row = connection.query_one_raw(asked).await?;
    let row = row.ok_or_else(|| DbErr::Migration("the server has no version".to_owned()))?;
    collation(&row.try_get_by_index::<String>(0)?)
}

/// The collation that compares byte for byte and does not pad: MySQL's `utf8mb4_bin` takes
/// `ann` and `ann ` for one user.
fn collation(version: &str) -> Result<&'static str, DbErr> {
    let numbers = numbers(version);
    match (version.contains("MariaDB"), numbers) {
        (true, numbers) if numbers >= [10, 6, 0] => Ok("utf8mb4_nopad_bin"),
        (false, numbers) if numbers >= [8, 0, 17] => Ok("utf8mb4_0900_bin"),
        _ => Err(DbErr::Migration(format!(
            "the server must be MySQL 8.0.17, MariaDB 10.6 or newer, and is {version}"
        ))),
    }
}

/// The first three numbers of a version. Old MariaDB drivers are told `5.5.5-` before the real one.
fn numbers(version: &str) -> [u32; 3] {
    let version = version.strip_prefix("5.5.5-").unwrap_or(version);
    let mut numbers = version
        .split(|c: char| !c.is_ascii_digit())
        .map(|number| number.parse::<u32>().unwrap_or(0));
    [(); 3].map(|()| numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::collation;

    #[test]
    fn the_collation_fits_the_server() {
        let mariadb = "utf8mb4_nopad_bin";
        for version in ["10.11.6-MariaDB-0+deb12u1", "5.5.5-10.6.16-MariaDB", "12.0.2-MariaDB"] {
            assert_eq!(collation(version).unwrap(), mariadb, "{version}");
        }
        for version in ["8.0.17", "8.4.2-commercial", "9.1.0"] {
            assert_eq!(collation(version).unwrap(), "utf8mb4_0900_bin", "{version}");
        }
        for version in ["5.7.44-log", "8.0.16", "10.5.28-MariaDB", "strange"] {
            assert!(collation(version).is_err(), "{version}");
        }
    }
}
