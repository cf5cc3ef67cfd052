//! Readers of real series: CSV files whose integers already stand in the wire's fixed point, and C-MAPSS text files.
//!
//! A CSV file is told by its header, whose first column is `t_ms` (device clock, whole ms); each known header belongs
//! to one group of one schema. Several files of one schema make one device. An empty field is a reading that is absent.
//!
//! A C-MAPSS file has 26 columns split by blanks: unit, cycle, three settings, 21 sensors. Every unit is a device, every
//! row one flight cycle. Decimals are scaled to the schema's integers exactly; one that does not fit is an error, not
//! rounded.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use halo_proto::registry::{self, Column, Schema, Signal};

use crate::rows::Row;

/// A recorded series of one device, ready to be cut into frames.
#[derive(Clone, Debug)]
pub struct Series {
    pub(crate) device: String,
    pub(crate) schema: &'static registry::Schema,
    /// In time order.
    pub(crate) rows: Vec<Row>,
}

impl Series {
    /// The device that will send it.
    pub fn device(&self) -> &str {
        &self.device
    }

    /// Rows over all groups.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Readings that are present.
    pub fn readings(&self) -> usize {
        self.rows.iter().map(|row| row.values.iter().flatten().count()).sum()
    }
}

/// Why a series could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SeriesError {
    /// The file could not be opened or read as text.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// One line is not what it should be.
    #[error("{}:{line}: {what}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
    /// The files do not belong to one device.
    #[error("{what}")]
    Mixed {
        /// Which files, and why.
        what: String,
    },
}

/// Reads one or more CSV files as the series of one device.
///
/// # Errors
/// A file that cannot be read, a bad header or row, or files that no one schema has groups for.
pub fn read_csv(device: &str, paths: &[PathBuf]) -> Result<Series, SeriesError> {
    let files = paths.iter().map(|path| read_csv_file(path)).collect::<Result<Vec<_>, _>>()?;
    let (schema, groups) = fitting_schema(paths, &files)?;
    let of_group =
        |(file, group): (CsvFile, u8)| file.rows.into_iter().map(move |(at_ms, values)| Row { group, at_ms, values });
    let mut rows: Vec<Row> = files.into_iter().zip(groups).flat_map(of_group).collect();
    rows.sort_by_key(|row| row.at_ms);
    Ok(Series { device: device.to_owned(), schema, rows })
}

/// Reads a C-MAPSS text file: one series a unit, in the file's order, named `<prefix>-017`. Row *n* of a unit stands at
/// cycle number × `cycle` of device time. Without a `prefix` the file's name gives it: `test_FD001.txt` → `fd001`.
///
/// # Errors
/// A file that cannot be read, or a row that is not 26 fitting numbers in a cycle after the row before.
pub fn read_cmapss(path: &Path, prefix: Option<&str>, cycle: Duration) -> Result<Vec<Series>, SeriesError> {
    let schema = registry::schema_named("turbofan").expect("the registry has the schema of C-MAPSS");
    let columns: Vec<&Column<'_>> = schema.groups.iter().flat_map(|group| group.columns).collect();
    let prefix = prefix.map_or_else(|| cmapss_prefix(path), str::to_owned);
    let cycle_ms = u64::try_from(cycle.as_millis()).unwrap_or(u64::MAX);
    let mut units: Vec<Series> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut before: Option<(u32, u64)> = None;
    for (line, text) in lines(path)? {
        let wrong = |what| SeriesError::Line { path: path.to_owned(), line, what };
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let (unit, cycle, values) = cmapss_row(&fields, &columns).map_err(wrong)?;
        match before {
            Some((same, last)) if same == unit && cycle <= last => {
                return Err(wrong(format!("cycle {cycle} of unit {unit} comes after cycle {last}")));
            }
            Some((same, _)) if same == unit => {}
            _ if !seen.insert(unit) => return Err(wrong(format!("unit {unit} comes back after another unit"))),
            _ => units.push(Series { device: format!("{prefix}-{unit:03}"), schema, rows: Vec::new() }),
        }
        before = Some((unit, cycle));
        let at_ms = cycle.checked_mul(cycle_ms).ok_or_else(|| wrong(format!("cycle {cycle} is too late")))?;
        if let Some(series) = units.last_mut() {
            series.rows.push(Row { group: 0, at_ms, values });
        }
    }
    Ok(units)
}

fn cmapss_prefix(path: &Path) -> String {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().to_lowercase()).unwrap_or_default();
    let known = stem.strip_prefix("train_").or_else(|| stem.strip_prefix("test_"));
    known.map_or(stem.clone(), str::to_owned)
}

fn cmapss_row(fields: &[&str], columns: &[&Column<'_>]) -> Result<(u32, u64, Vec<Option<i64>>), String> {
    let wanted = columns.len() + 2;
    let [unit, cycle, values @ ..] = fields else {
        return Err(format!("row has {} columns, wanted {wanted}", fields.len()));
    };
    if values.len() != columns.len() {
        return Err(format!("row has {} columns, wanted {wanted}", fields.len()));
    }
    let unit = unit.parse().map_err(|_not_a_number| format!("unit is {unit:?}, wanted a whole number"))?;
    let cycle = cycle.parse().map_err(|_not_a_number| format!("cycle is {cycle:?}, wanted a whole number"))?;
    let values = values.iter().zip(columns).map(|(text, column)| exact(text, column.num, column.den).map(Some));
    Ok((unit, cycle, values.collect::<Result<_, _>>()?))
}

/// A decimal as the column's integer: `text` × `den` / `num`, which must be whole.
fn exact(text: &str, num: u32, den: u32) -> Result<i64, String> {
    let wanted = || format!("value is {text:?}, wanted a decimal number");
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || fraction.len() > 15 {
        return Err(wanted());
    }
    let mantissa: i128 = format!("{whole}{fraction}").parse().map_err(|_not_a_number| wanted())?;
    let places = u32::try_from(fraction.len()).map_err(|_too_long| wanted())?;
    let scaled = mantissa.checked_mul(i128::from(den)).ok_or_else(wanted)?;
    let divisor = i128::from(num) * 10_i128.pow(places);
    if scaled % divisor != 0 {
        return Err(format!("value {text} is no whole multiple of {num}/{den}"));
    }
    let raw = if negative { -(scaled / divisor) } else { scaled / divisor };
    i64::try_from(raw).map_err(|_too_large| format!("value {text} is too large"))
}

/// A file's schema group and rows.
struct CsvFile {
    signals: Vec<&'static Signal>,
    rows: Vec<(u64, Vec<Option<i64>>)>,
}

fn read_csv_file(path: &Path) -> Result<CsvFile, SeriesError> {
    let mut lines = lines(path)?.into_iter();
    let wrong = |line, what| SeriesError::Line { path: path.to_owned(), line, what };
    let (line, header) = lines.next().ok_or_else(|| wrong(1, "file is empty, wanted a header".to_owned()))?;
    let signals = csv_header(&header).map_err(|what| wrong(line, what))?;
    let mut rows: Vec<(u64, Vec<Option<i64>>)> = Vec::new();
    for (line, text) in lines {
        let row = csv_row(&text, signals.len()).map_err(|what| wrong(line, what))?;
        if let Some((last, _)) = rows.last()
            && row.0 < *last
        {
            return Err(wrong(line, format!("time {} ms comes after {last} ms", row.0)));
        }
        rows.push(row);
    }
    Ok(CsvFile { signals, rows })
}

fn csv_header(header: &str) -> Result<Vec<&'static Signal>, String> {
    let (first, columns) = header.split_once(',').unwrap_or((header, ""));
    if first != "t_ms" {
        return Err(format!("header starts with {first:?}, wanted t_ms"));
    }
    let signal = |column: &str| {
        let known = COLUMNS.iter().find(|(name, _)| *name == column).map_or(column, |(_, signal)| signal);
        registry::signal_named(known).ok_or_else(|| format!("column {column:?} is no known signal"))
    };
    columns.split(',').map(signal).collect()
}

fn csv_row(text: &str, columns: usize) -> Result<(u64, Vec<Option<i64>>), String> {
    let fields: Vec<&str> = text.split(',').collect();
    let [time, values @ ..] = fields.as_slice() else {
        return Err("row is empty".to_owned());
    };
    if values.len() != columns {
        return Err(format!("row has {} columns, the header has {}", fields.len(), columns + 1));
    }
    let time = time.parse().map_err(|_not_a_number| format!("time is {time:?}, wanted whole ms"))?;
    let value = |text: &&str| match *text {
        "" => Ok(None),
        text => text.parse().map(Some).map_err(|_not_a_number| format!("value is {text:?}, wanted a whole number")),
    };
    Ok((time, values.iter().map(value).collect::<Result<_, _>>()?))
}

/// The smallest schema with a group for every file, and those groups' indices in the files' order.
fn fitting_schema(paths: &[PathBuf], files: &[CsvFile]) -> Result<(&'static Schema, Vec<u8>), SeriesError> {
    let group_of = |schema: &'static Schema, file: &CsvFile| {
        let fits = |group: &registry::Group<'_>| {
            group.columns.iter().map(|column| column.metric).eq(file.signals.iter().map(|signal| signal.metric))
        };
        schema.groups.iter().position(fits).and_then(|index| u8::try_from(index).ok())
    };
    let candidates = registry::schemas().iter().filter_map(|schema| {
        let groups: Option<Vec<u8>> = files.iter().map(|file| group_of(schema, file)).collect();
        let groups = groups?;
        let distinct: BTreeSet<u8> = groups.iter().copied().collect();
        (distinct.len() == groups.len()).then_some((schema, groups))
    });
    candidates.min_by_key(|(schema, _)| schema.groups.len()).ok_or_else(|| {
        let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        SeriesError::Mixed { what: format!("no schema has a group for each of: {}", names.join(", ")) }
    })
}

/// All lines with their numbers from 1; a blank last line is none.
fn lines(path: &Path) -> Result<Vec<(usize, String)>, SeriesError> {
    let text = std::fs::read_to_string(path).map_err(|source| SeriesError::Io { path: path.to_owned(), source })?;
    Ok((1..).zip(text.lines().map(str::to_owned)).collect())
}

/// Columns of the sample series by the signal they hold; a registered signal's own name is known as well.
const COLUMNS: &[(&str, &str)] = &[
    ("hr_bpm", "heart_rate"),
    ("rr_ms", "rr_interval"),
    ("skin_c100", "skin_temperature"),
    ("spo2_pct", "spo2"),
    ("bat_pct", "battery"),
    ("ax_mg", "acc_x"),
    ("ay_mg", "acc_y"),
    ("az_mg", "acc_z"),
    ("lat_e7", "latitude"),
    ("lon_e7", "longitude"),
    ("speed_kmh", "speed"),
    ("rpm_q4", "rpm"),
    ("coolant_c", "coolant_temperature"),
    ("fuel_255", "fuel_level"),
    ("throttle_255", "throttle"),
    ("load_255", "engine_load"),
    ("vbat_10mv", "vehicle_voltage"),
    ("acx_peak_mg", "acc_peak_x"),
    ("acy_peak_mg", "acc_peak_y"),
    ("acz_peak_mg", "acc_peak_z"),
    ("ltft_128", "long_term_fuel_trim"),
    ("stft_128", "short_term_fuel_trim"),
    ("map_kpa", "intake_pressure"),
    ("absthrB_255", "throttle_b"),
    ("pedalD_255", "pedal_d"),
    ("pedalE_255", "pedal_e"),
    ("thr_act_255", "throttle_commanded"),
    ("lambda_e4", "lambda_commanded"),
    ("baro_kpa", "barometric_pressure"),
    ("relthr_255", "throttle_relative"),
    ("iat_c", "intake_temperature"),
    ("timing_half", "timing_advance"),
    ("cat1_10", "catalyst_temperature_1"),
    ("cat2_10", "catalyst_temperature_2"),
    ("volt_mv", "control_module_voltage"),
    ("set1_e4", "setting_1"),
    ("set2_e4", "setting_2"),
    ("set3_e0", "setting_3"),
    ("T2_e2", "t2"),
    ("T24_e2", "t24"),
    ("T30_e2", "t30"),
    ("T50_e2", "t50"),
    ("P2_e2", "p2"),
    ("P15_e2", "p15"),
    ("P30_e2", "p30"),
    ("Nf_e2", "nf"),
    ("Nc_e2", "nc"),
    ("epr_e1", "epr"),
    ("Ps30_e2", "ps30"),
    ("phi_e2", "phi"),
    ("NRf_e2", "nrf"),
    ("NRc_e2", "nrc"),
    ("BPR_e4", "bpr"),
    ("farB_e2", "far_b"),
    ("htBleed_e0", "ht_bleed"),
    ("Nf_dmd_e0", "nf_demanded"),
    ("PCNfR_dmd_e0", "pcnfr_demanded"),
    ("W31_e2", "w31"),
    ("W32_e4", "w32"),
    ("alt_ft", "altitude"),
    ("mach_e4", "mach"),
    ("tra_10", "throttle_angle"),
    ("T2", "t2"),
    ("T24", "t24"),
    ("T30", "t30"),
    ("T50", "t50"),
    ("P2", "p2"),
    ("P15", "p15"),
    ("P30", "p30"),
    ("Nf", "nf"),
    ("Nc", "nc"),
    ("epr", "epr_fine"),
    ("Ps30", "ps30"),
    ("NRf", "nrf"),
    ("NRc", "nrc"),
    ("farB", "far_b"),
    ("htBleed", "ht_bleed"),
    ("Nf_dmd", "nf_demanded"),
    ("PCNfR_dmd", "pcnfr_demanded_fine"),
    ("W31", "w31"),
];

#[cfg(test)]
mod tests;
