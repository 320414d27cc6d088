//! What the API's documentation shows is applied; what it excludes is an error, a warning or a note.

use super::Repository;

const EXCLUDED: &str = "\
name: Excluded
included_filters:
  filter_operator: and
  filters:
    - filter_type: actions
      action_name: buy
      executed: true
      primary_time_range: {type: inTheLast, value: 7, period_unit: days}
      attributes:
        filter_operator: and
        filters: [{name: price, data_type: double, category: Tracked, operator: exists}]
      aggregation_attributes:
        filters:
          - attribute_name: amount
            aggregation_type: sum
            operator: is
            value: 3
            comparator: change
            base_time_range: {type: between, value: 3, value1: 9}
---
response_id: r
type: custom_segment
data: {name: Pasted}
";

const DOUBTFUL: &str = "\
name: Doubtful
source: API
included_filters:
  filter_operator: and
  filters:
    - {filter_type: user_attributes, name: city, data_type: string, operator: in, value: [Pune]}
    - filter_type: actions
      action_name: buy
      executed: true
      primary_time_range: {type: between, value: 1, value1: 2, period_unit: weeks}
";

#[test]
fn what_the_documentation_excludes_is_found_by_validate() {
    let repository = Repository::new();
    repository.write("segments/excluded.yaml", EXCLUDED);
    let run = repository.run(&["validate"]);
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    for expected in [
        "invalid category of an event attribute `Tracked`",
        "a `base_time_range` takes dates, not a number of days",
        "use {type: previousPeriod}",
        "this is a whole response of the API, not a segment",
        "move the fields below `data` to the top",
    ] {
        assert!(run.stderr.contains(expected), "{expected}: {}", run.stderr);
    }

    repository.write("segments/excluded.yaml", DOUBTFUL);
    let run = repository.run(&["validate", "--notes"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    for expected in [
        "note[SEG090]: a user attribute has no `category`",
        "warning[SEG096]: MoEngage may count `between` in days, not in weeks",
        "note[SEG097]: `source` is ignored: MoEngage sets the value",
    ] {
        assert!(run.stderr.contains(expected), "{expected}: {}", run.stderr);
    }
}

#[test]
fn groups_nested_to_64_levels_are_applied_and_found_unchanged() {
    let mut filter = "{filter_type: user_attributes, category: c, name: city, data_type: string, operator: in, value: [Pune]}".to_owned();
    for _ in 0..64 {
        filter = format!("{{filter_type: nested_filters, filter_operator: or, filters: [{filter}]}}");
    }
    let text = format!("name: Deep\nincluded_filters:\n  filter_operator: and\n  filters:\n    - {filter}\n");
    let repository = Repository::new();
    repository.write("segments/deep.yaml", &text);
    let applied = repository.run(&["apply", "--auto-approve"]);
    assert!(
        applied.stdout.contains("Apply complete: 1 applied."),
        "{}{}",
        applied.stdout,
        applied.stderr
    );
    let plan = repository.run(&["plan", "--refresh", "full", "--detailed-exitcode"]);
    assert_eq!(plan.code, Some(0), "{}{}", plan.stdout, plan.stderr);
    let state = repository.run(&["state", "show", "Deep"]);
    assert_eq!(state.code, Some(0), "{}", state.stderr);
}
