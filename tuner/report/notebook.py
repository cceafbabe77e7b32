"""Hides how a notebook shows a study: the first screen of the report, without its page."""

from __future__ import annotations

from tuner.report import theme
from tuner.report.data import StudyRecord
from tuner.report.text import escaped

_STYLE = """<style>
.tuner-study { --shade: rgba(127, 127, 127, 0.1); font: 14px/1.5 system-ui, sans-serif;
  border: 1px solid var(--axis); border-radius: 8px; padding: 12px 16px; max-width: 900px; }
.tuner-study section { margin-top: 8px; }
.tuner-study h2, .tuner-study h4 { font-size: 14px; margin: 8px 0 2px; }
.tuner-study .big { font-size: 28px; font-weight: 650; }
.tuner-study .figures, .tuner-study .tiles, .tuner-study .rivals, .tuner-study .legend {
  display: flex; flex-wrap: wrap; gap: 4px 24px; list-style: none; padding: 0; margin: 0; }
.tuner-study .figure { display: flex; flex-direction: column; }
.tuner-study .rivals li, .tuner-study .legend li { display: flex; gap: 8px; }
.tuner-study .pairs { display: grid; grid-template-columns: repeat(auto-fill, minmax(200px, 1fr));
  gap: 0 24px; margin: 0; }
.tuner-study .pairs div { display: flex; justify-content: space-between; }
.tuner-study dd { margin: 0; font-weight: 600; }
.tuner-study .bar { display: none; }
</style>"""


def summary(study: StudyRecord) -> str:
    """HTML that says what won, by how much, and what became of the trials; inert and scriptless."""
    from tuner.report.overview import overview

    colors = "".join(f"--{role}:{color};" for role, color in theme.LIGHT.items())
    return (
        f'{_STYLE}<div class="tuner-study" style="{colors}">'
        f"<b><bdi>{escaped(study.name)}</bdi></b> {escaped(study.state)}{overview(study)}</div>"
    )
