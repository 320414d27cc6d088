//! MoEngage may return a definition in another form than segctl sent. That is no change; a real edit still is one.

use super::digests::{changed, meaningful_leaves, value_at};
use super::generate::definition;
use super::notation::{Notation, RESPELLINGS, notation};
use super::test_workspace::TestWorkspace;
use proptest::prelude::*;
use proptest::sample::Index;
use segctl::definition::encode;
use segctl::model::{
    Adoption, ArrayMatching, ArrayStringTest, ArrayTextOperator, AttributeFilter, AttributeGroup, Condition,
    Contents, DeclaredSegment, Definition, DoubleTest, EventFilter, Execution, Filter, Group, GroupOperator,
    Lifecycle, Number, Operand, Origin, Reference, SegmentId, SegmentName, StringTest, TextOperator,
    TimeRange,
};
use segctl::sandbox::{RateLimitMode, SandboxSettings};
use serde_json::{Value, json};

fn workspace() -> TestWorkspace {
    TestWorkspace::new(SandboxSettings {
        rate_limits: RateLimitMode::Off,
        ..SandboxSettings::default()
    })
}

fn respelling_workspace(notation: &Notation) -> TestWorkspace {
    let mut workspace = workspace();
    let notation = notation.clone();
    workspace.rewrite_answers(move |_, answer| notation.respell(answer));
    workspace
}

fn declared(name: &str, definition: Definition) -> DeclaredSegment {
    DeclaredSegment {
        name: SegmentName::new(name),
        id: None,
        previous_names: Vec::new(),
        protect: false,
        lifecycle: Lifecycle::Active,
        contents: Contents::from(definition),
        origin: Origin {
            file: format!("{name}.yaml"),
            line: 1,
            column: 1,
        },
        reference_origins: Default::default(),
    }
}

/// Without the filters that the service refuses.
fn accepted(group: &Group) -> Group {
    let is_accepted = |filter: &&Filter| {
        let definition = Definition {
            included: Group {
                operator: group.operator,
                filters: vec![(*filter).clone()],
            },
            excluded: None,
        };
        let body = json!({"name": "A", "included_filters": encode(&definition).included_filters});
        workspace().accepts("POST", "/v3/custom-segments", &body)
    };
    Group {
        operator: group.operator,
        filters: group.filters.iter().filter(is_accepted).cloned().collect(),
    }
}

/// A segment, and one that refers to it. `None` if the service accepts no filter of the definition.
fn files(definition: &Definition) -> Option<[DeclaredSegment; 2]> {
    let included = accepted(&definition.included);
    let excluded = definition.excluded.as_ref().map(accepted);
    if included.filters.is_empty() {
        return None;
    }
    let mut referring = included.clone();
    referring
        .filters
        .push(Filter::Reference(Reference::Name(SegmentName::new("A"))));
    let of = |included| Definition {
        included,
        excluded: excluded.clone().filter(|group| !group.filters.is_empty()),
    };
    Some([declared("A", of(included)), declared("B", of(referring))])
}

/// A dashboard user changes one value of a definition.
fn edit_one_value(
    workspace: &TestWorkspace,
    (id, file): (&SegmentId, &DeclaredSegment),
    choice: &Index,
) -> bool {
    let payload = file.contents.definition().unwrap();
    let mut sides =
        json!({"included_filters": payload.included_filters, "excluded_filters": payload.excluded_filters});
    let filters = sides["included_filters"]["filters"].as_array_mut().unwrap();
    for reference in filters
        .iter_mut()
        .filter(|filter| filter["filter_type"] == "custom_segments")
    {
        reference["id"] = id_of(workspace, "A").as_str().into();
    }
    let mut found = Vec::new();
    meaningful_leaves(&sides, &mut Vec::new(), &mut found);
    if found.is_empty() {
        return false;
    }
    let path: &Vec<String> = choice.get(&found);
    let leaf = value_at(&mut sides, path);
    *leaf = changed(leaf);
    sides["id"] = id.as_str().into();
    workspace.edit_in_dashboard(&sides);
    true
}

fn id_of(workspace: &TestWorkspace, name: &str) -> SegmentId {
    let state = workspace.stored_state();
    state.latest_by_name(&SegmentName::new(name)).unwrap().id.clone()
}

fn writes(workspace: &TestWorkspace) -> usize {
    workspace
        .request_log()
        .iter()
        .filter(|entry| entry.committed)
        .count()
}

/// Fails unless there is nothing to do.
async fn require_in_sync(workspace: &TestWorkspace, files: &[DeclaredSegment]) -> Result<(), TestCaseError> {
    let plan = workspace.plan(files).await;
    prop_assert!(plan.is_empty() && plan.conflicts.is_empty(), "{:#?}", plan.steps);
    prop_assert!(plan.drift.is_empty(), "{:#?}", plan.drift);
    let before = writes(workspace);
    workspace.apply(&plan).await;
    prop_assert_eq!(writes(workspace), before);
    Ok(())
}

proptest! {
    #![proptest_config(crate::fixed_seeds::config(300))]

    #[test]
    fn a_respelling_is_no_change_and_an_edit_is_one(
        definition in definition(),
        notation in notation(),
        choice in any::<Index>(),
    ) {
        let Some(files) = files(&definition) else { return Ok(()) };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let workspace = respelling_workspace(&notation);
        runtime.block_on(async {
            let report = workspace.apply(&workspace.plan(&files).await).await;
            prop_assert!(report.is_complete(), "{:?}", report);
            require_in_sync(&workspace, &files).await?;

            let id = id_of(&workspace, "B");
            if edit_one_value(&workspace, (&id, &files[1]), &choice) {
                let plan = workspace.plan(&files).await;
                prop_assert_eq!(plan.steps.len(), 1, "{:#?}", plan.steps);
                prop_assert_eq!(&plan.drift[0].id, &id);
                prop_assert!(!plan.drift[0].changes.is_empty());
                prop_assert!(workspace.apply(&plan).await.is_complete());
                require_in_sync(&workspace, &files).await?;
            }
            // A lost state is written once more.
            workspace.lose_state();
            prop_assert!(workspace.apply(&workspace.plan(&files).await).await.is_complete());
            require_in_sync(&workspace, &files).await
        })?;
    }
}

/// One filter of each kind that a respelling changes.
fn varied_definition() -> Definition {
    let text = |value: &str| Operand::Fixed(value.to_owned());
    let condition = |name: &str, condition| {
        Filter::Attribute(AttributeFilter {
            name: name.to_owned(),
            category: Some("Tracked".to_owned()),
            condition,
        })
    };
    let number = |value: f64| Number::new(value).unwrap();
    let city = Condition::String {
        negate: false,
        case_sensitive: false,
        test: StringTest::One(TextOperator::Is, text("Pune")),
    };
    let inner = AttributeGroup {
        operator: GroupOperator::Or,
        filters: ["home", "work"]
            .map(|name| AttributeFilter {
                name: name.to_owned(),
                category: None,
                condition: city.clone(),
            })
            .into(),
    };
    let day = jiff::civil::date(2026, 1, 5);
    let filters = vec![
        condition("city", city),
        condition(
            "spend",
            Condition::Double {
                negate: false,
                test: DoubleTest::In(Operand::Fixed(vec![number(5.0), number(1e21)])),
            },
        ),
        condition(
            "tags",
            Condition::ArrayString {
                negate: false,
                case_sensitive: false,
                matching: Some(ArrayMatching::AnyOf),
                test: ArrayStringTest::Any(
                    ArrayTextOperator::Contains,
                    Operand::Fixed(vec!["vip".to_owned()]),
                ),
            },
        ),
        condition(
            "place",
            Condition::Geopoint {
                negate: false,
                latitude: number(12.5),
                longitude: number(77.0),
                radius: number(500.0),
            },
        ),
        condition("address", Condition::Object(inner)),
        Filter::Event(EventFilter {
            action_name: "purchase".to_owned(),
            project_name: None,
            execution: Execution::AtLeast(1),
            time_range: TimeRange::BetweenDates {
                first: day.into(),
                last: day.at(23, 59, 59, 999_000_000),
                unit: None,
            },
            attributes: AttributeGroup::empty(),
            aggregation: None,
        }),
        Filter::Nested(Group {
            operator: GroupOperator::Or,
            filters: [1.0, 2.0]
                .map(|amount| {
                    let test = DoubleTest::GreaterThan(Operand::Fixed(number(amount)));
                    condition("orders", Condition::Double { negate: true, test })
                })
                .into(),
        }),
    ];
    Definition {
        included: Group {
            operator: GroupOperator::And,
            filters,
        },
        excluded: None,
    }
}

#[tokio::test]
async fn one_apply_is_enough_for_each_respelling() {
    let mut notations: Vec<Notation> = RESPELLINGS.map(|respelling| Notation::of(&[respelling])).into();
    notations.push(Notation::of(&RESPELLINGS));
    notations.push(Notation {
        root_has_filter_type: true,
        empty_exclusion: Some(Value::Null),
        reverses_keys: true,
        ..Notation::of(&[])
    });
    let files = files(&varied_definition()).unwrap();
    assert_eq!(files[0].contents, Contents::from(varied_definition()));
    for notation in notations {
        let workspace = respelling_workspace(&notation);
        assert!(workspace.apply(&workspace.plan(&files).await).await.is_complete());
        require_in_sync(&workspace, &files)
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", notation.names()));
    }
}

#[tokio::test]
async fn a_write_without_an_answer_is_found_in_another_form() {
    let files = files(&varied_definition()).unwrap();
    let mut workspace = respelling_workspace(&Notation::of(&RESPELLINGS));
    workspace.change_policy(|policy| policy.adoption = Adoption::Refuse);
    let lost = |method: &str| json!([{"on": {"method": method}, "fault": {"reset": {"when": "after"}}}]);
    workspace.set_faults(&lost("POST"));
    assert!(workspace.apply(&workspace.plan(&files).await).await.is_complete());
    require_in_sync(&workspace, &files).await.unwrap();

    // Without the first filter.
    let mut shorter = files.clone();
    let Contents::Filter(definition) = &mut shorter[1].contents else {
        panic!("not a filter segment")
    };
    let mut payload = definition.encoded.payload().clone();
    payload.included_filters["filters"]
        .as_array_mut()
        .unwrap()
        .remove(0);
    definition.encoded = payload.into();
    for when in ["before", "after"] {
        let desired = if when == "before" { &shorter } else { &files };
        workspace.set_faults(&json!([{"on": {"method": "PATCH"}, "fault": {"reset": {"when": when}}}]));
        let plan = workspace.plan(desired).await;
        assert_eq!(plan.steps.len(), 1);
        assert!(workspace.apply(&plan).await.is_complete(), "{when}");
        require_in_sync(&workspace, desired).await.unwrap();
    }
}

#[tokio::test]
async fn a_service_that_respells_only_reads_is_learned_with_the_second_write() {
    let files = files(&varied_definition()).unwrap();
    let mut workspace = workspace();
    let notation = Notation::of(&RESPELLINGS);
    workspace.rewrite_answers(move |method, answer| match method {
        "GET" => notation.respell(answer),
        _ => answer.to_string(),
    });
    for _ in 0..2 {
        let plan = workspace.plan(&files).await;
        assert_eq!(plan.steps.len(), 2, "{:#?}", plan.steps);
        assert!(workspace.apply(&plan).await.is_complete());
    }
    require_in_sync(&workspace, &files).await.unwrap();
}

#[tokio::test]
async fn an_answer_that_lacks_a_filter_is_reported_and_stays_a_difference() {
    let files = files(&varied_definition()).unwrap();
    let mut workspace = workspace();
    workspace.rewrite_answers(|_, mut answer| {
        let filters = answer.pointer_mut("/data/included_filters/filters");
        if let Some(filters) = filters.and_then(Value::as_array_mut) {
            filters.pop();
        }
        answer.to_string()
    });
    let report = workspace.apply(&workspace.plan(&files[..1]).await).await;
    assert!(
        format!("{report:?}").contains("differs from the one sent"),
        "{report:?}"
    );
    let plan = workspace.plan(&files[..1]).await;
    assert_eq!((plan.steps.len(), plan.drift.len()), (1, 1));
}

#[tokio::test]
async fn unknown_parts_of_a_remote_definition_are_shown_and_recorded() {
    let files = files(&varied_definition()).unwrap();
    let workspace = respelling_workspace(&Notation::of(&RESPELLINGS));
    assert!(workspace.apply(&workspace.plan(&files).await).await.is_complete());
    let id = id_of(&workspace, "A");
    let unknown = json!({"filter_type": "recency_score", "score": {"above": [0.75, null]}});
    let mut filters = encode(&varied_definition()).included_filters;
    filters["filters"].as_array_mut().unwrap().push(unknown.clone());
    filters["half_life"] = json!(30);
    workspace.edit_in_dashboard(&json!({"id": id.as_str(), "included_filters": filters}));
    let plan = workspace.plan(&files).await;
    let shown = format!("{:?}", plan.steps[0].action);
    assert!(
        shown.contains("recency_score") && shown.contains("half_life"),
        "{shown}"
    );
    assert!(workspace.apply(&plan).await.is_complete());
    let state = workspace.stored_state();
    let replaced = &state
        .managed_entry(&id)
        .unwrap()
        .revisions
        .last()
        .unwrap()
        .definition;
    let score = unknown["score"].to_string();
    assert!(
        replaced.included_filters.to_string().contains(&score),
        "{replaced:?}"
    );
    assert_eq!(replaced.included_filters["half_life"].as_f64(), Some(30.0));
    require_in_sync(&workspace, &files).await.unwrap();
}
