"""Every fault that users are told of has its tests."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "faults.md").read_text(encoding="utf-8")

COVERED = {
    1: "faults/test_ray_faults: a_killed_lane_leaves_the_others_alone; "
    "tuner/test_cluster: a_killed_lane_is_replaced_and_its_trials_are_tried_again; "
    "tuner/test_ledger: a_lost_lane_is_retried_within_the_limit",
    2: "faults/test_commit_boundaries: a_study_survives_a_kill_at_every_commit "
    "a_study_survives_an_end_at_some_commits a_study_survives_crashes_in_every_life; "
    "faults/test_ray_faults: a_study_outlives_its_ledger_at_a_commit; "
    "faults/test_driver_faults: a_driver_killed_again_and_again_loses_nothing; "
    "tuner/test_ledger_lives: a_resumed_study_says_what_is_done_and_what_is_queued",
    3: "faults/test_driver_faults: a_study_outlives_its_node_and_its_driver",
    4: "faults/test_server_faults: a_study_outlives_its_server a_study_outlives_an_idle_connection "
    "a_study_outlives_a_server_that_goes_in_a_transaction a_server_that_stays_away_is_an_error; "
    "tuner/storage/test_storage_sharing: writes_wait_while_the_database_is_away",
    5: "faults/test_server_faults: a_study_outlives_a_connection_in_a_transaction; "
    "tuner/storage/test_storage_units: lost_acknowledgement_is_recognised",
    6: "faults/test_file_faults: a_short_lock_is_waited_for "
    "a_long_lock_ends_the_study_which_can_go_on a_locked_database_can_be_looked_at; "
    "faults/test_refusals: a_database_in_use_is_exit_3_and_goes_on_later",
    7: "faults/test_full_disks: no_room_for_a_checkpoint no_room_for_the_database "
    "no_room_for_the_report; faults/test_file_faults: a_full_disk_ends_the_study_which_can_go_on; "
    "faults/test_ray_faults: a_full_disk_under_a_lane_ends_the_study_with_one_line",
    8: "faults/test_refusals: a_database_that_cannot_be_used_is_left_as_it_is; "
    "faults/test_file_faults: a_study_of_a_read_only_file_can_be_looked_at; "
    "tuner/storage/test_storage_opening: database_that_cannot_be_written "
    "older_version_is_copied_and_migrated",
    9: "faults/test_memory_faults: a_cohort_without_room_shrinks_and_nobody_is_charged "
    "a_trial_without_room_is_tried_again_alone_and_then_fails "
    "a_function_without_room_is_called_again_and_then_fails",
    10: "faults/test_odd_values: samplers_pruners_and_plots_survive_what_is_not_finite "
    "rows_that_diverge_end_at_once a_value_enqueued_that_no_axis_takes_ends_its_trial_alone",
    11: "tuner/test_function_study: a_poor_result_fails_the_trial_and_the_study_goes_on "
    "an_objective_that_exits_fails_its_trial; "
    "faults/test_hostile_text: an_error_of_any_text_is_stored",
    12: "faults/test_refusals: mistakes_are_exit_2_and_leave_no_database; "
    "tuner/test_import_strings: an_objective_that_cannot_be_used_is_refused",
    13: "tuner/test_cluster: a_hanging_objective_is_ended_at_its_time_limit; "
    "tuner/test_ledger_lives: lanes_that_do_not_heed_the_end_of_the_budget_are_ended; "
    "tuner/test_ledger: a_trial_that_overruns_its_time_is_failed_and_its_lane_ended "
    "a_study_ends_early_for_its_budget",
    14: "faults/test_user_faults: a_jump_of_the_clock_is_harmless; "
    "tuner/test_set_clocks: no_lease_or_limit_runs_out_when_the_clock_is_set",
    15: "faults/test_ray_faults: a_lane_that_was_stopped_past_its_lease_changes_nothing; "
    "tuner/test_ledger: a_late_write_of_a_given_up_attempt_is_refused",
    16: "faults/test_user_faults: a_second_signal_ends_a_study_at_once; "
    "faults/test_driver_faults: signals_of_a_terminal_leave_nothing_behind "
    "a_service_manager_may_signal_every_process; "
    "tuner/test_study: a_signal_ends_a_study_cleanly_and_it_can_be_resumed",
    17: "faults/test_refusals: a_second_launch_is_told_who_runs_the_study; "
    "faults/test_file_faults: launches_at_one_moment_share_one_study; "
    "faults/test_server_faults: launches_at_one_moment_share_one_study_on_a_server; "
    "tuner/storage/test_storage_records: dead_owner_frees_the_study_at_once "
    "owner_elsewhere_is_waited_for; "
    "tuner/test_replaced_owners: an_owner_that_was_replaced_writes_nothing",
    18: "faults/test_refusals: a_name_belongs_to_one_study",
    19: "faults/test_refusals: bad_yaml_is_refused_and_runs_nothing",
    20: "faults/test_refusals: bad_data_are_refused_by_column_and_row; "
    "faults/test_user_faults: changed_data_is_refused_unless_forced",
    21: "faults/test_hostile_text: odd_text_is_kept_exactly_and_shown_inert "
    "an_error_of_any_text_is_stored; "
    "tuner/test_study: odd_names_are_kept_exactly unprintable_names_are_refused",
    22: "faults/test_hostile_text: odd_text_is_kept_exactly_and_shown_inert "
    "an_uploaded_page_is_an_attachment; tuner/report/test_report_html: hostile_text_is_inert; "
    "tuner/cli/test_cli_terminal: inert_text_holds_nothing_a_terminal_obeys",
    23: "faults/test_hostile_text: the_store_of_the_dashboard_refuses_paths_and_links "
    "files_that_others_describe_are_believed_only_if_sound a_study_does_not_write_through_links "
    "a_report_replaces_a_link_and_not_what_it_leads_to files_of_a_study_are_named_by_its_number; "
    "faults/test_file_faults: a_checkpoint_outside_of_the_study_is_not_touched",
    24: "tuner/test_cluster: ray_refuses_callers_without_the_token "
    "what_listens_is_what_users_are_told; "
    "tuner/cli/test_cli_dashboard: dashboard_shows_the_study_and_listens_on_loopback",
    25: "faults/test_odd_values: a_pickle_in_place_of_a_checkpoint_is_not_loaded; "
    "test_architecture: nothing_is_unpickled; "
    "trials/data/test_data_arrays: files_that_are_no_archives",
}
"""Number of the fault: files of tests, and the tests in them without `test_`."""


def test_every_fault_is_told_and_covered() -> None:
    """The page has a row for each number, and each number has tests."""
    rows = [int(number) for number in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)]
    assert rows == list(COVERED)


@pytest.mark.parametrize("number", COVERED)
def test_the_tests_of_a_fault_are_there(number: int) -> None:
    """Each file has the tests that are said to be in it."""
    for part in COVERED[number].split("; "):
        file, _, names = part.partition(": ")
        tree = ast.parse((TESTS / f"{file}.py").read_text(encoding="utf-8"))
        present = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
        assert {f"test_{name}" for name in names.split()} <= present, file
