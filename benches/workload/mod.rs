//! A project with many segments of about 1.4 KB, as large as the larger examples.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

pub(crate) const SETTINGS: &str = "segments: segments/\nworkspaces: {dev: {sandbox: box.json}}\n";

/// Writes segctl.yaml and one file for each segment; returns the mean size of a file in bytes.
pub(crate) fn write_project(directory: &Path, count: usize) -> usize {
    let segments = directory.join("segments");
    fs::create_dir_all(&segments).unwrap();
    fs::write(directory.join("segctl.yaml"), SETTINGS).unwrap();
    let mut bytes = 0;
    for number in 0..count {
        let text = segment(number);
        bytes += text.len();
        fs::write(segments.join(format!("{number:05}.yaml")), text).unwrap();
    }
    bytes / count
}

/// A segment with a few filters of each kind. Every tenth one has a reference.
fn segment(number: usize) -> String {
    let mut text = format!(
        "name: Segment {number}\ndescription: one of many\nowner: team@example.com\nlabels: [a, b]\n"
    );
    text.push_str("included_filters:\n  filter_operator: and\n  filters:\n");
    for event in 0..3 {
        let _ = write!(
            text,
            "    - filter_type: actions\n      action_name: event_{event}_{number}\n      executed: true\n      \
             execution: {{type: atleast, count: {}}}\n      primary_time_range: {{type: inTheLast, value: 30, \
             period_unit: days}}\n      attributes:\n        filter_operator: and\n        filters:\n          \
             - {{name: price, data_type: double, operator: greaterThan, value: {number}}}\n",
            event + 1
        );
    }
    for attribute in 0..3 {
        let _ = write!(
            text,
            "    - filter_type: user_attributes\n      name: attribute_{attribute}\n      data_type: string\n      \
             category: Tracked\n      operator: in\n      value: [one, two, three]\n"
        );
    }
    if number % 10 == 1 {
        let _ = writeln!(
            text,
            "    - {{filter_type: custom_segments, name: Segment {}}}",
            number - 1
        );
    }
    text
}
