"""The machines: site profiles, the check of requests against them, scripts, allocations."""

from ambs_hpc.sites.allocations import (
    BalsamBatch,
    Refreshed,
    ScriptSettings,
    cancel_allocation,
    left_out_nodes,
    refresh,
    script_of,
    submit_allocation,
    submit_batch,
    submit_chain,
)
from ambs_hpc.sites.autosubmit_policy import IDLE_SHARE, Decision, Policy, decide
from ambs_hpc.sites.campaign_folder import FolderSettings, read_folder, write_folder
from ambs_hpc.sites.data_files import job_templates_folder, site_configs_folder
from ambs_hpc.sites.launch_command import (
    command_of_ranks,
    command_on_node,
    command_on_nodes,
    launch_program,
    near_gpus,
    node_name,
    processors_per_node,
)
from ambs_hpc.sites.launch_families.ranks import Ranks
from ambs_hpc.sites.notify_settings import Notify, is_only_ours, webhook_address, with_mail
from ambs_hpc.sites.profile import Launch, NodeShape, Queue, Site, Tier, core_numbers
from ambs_hpc.sites.rendering import LaunchPlan, render_script, write_script
from ambs_hpc.sites.request import (
    AllocationRequest,
    Backlog,
    CheckReport,
    WaitingPart,
    check_request,
    minutes_of,
    ready_that_fit,
    wrong_sizes,
)
from ambs_hpc.sites.site_file import check_site, load_site, refuse_unless_found_again, site_names, site_text

__all__ = [
    "IDLE_SHARE",
    "AllocationRequest",
    "Backlog",
    "BalsamBatch",
    "CheckReport",
    "Decision",
    "FolderSettings",
    "Launch",
    "LaunchPlan",
    "NodeShape",
    "Notify",
    "Policy",
    "Queue",
    "Ranks",
    "Refreshed",
    "ScriptSettings",
    "Site",
    "Tier",
    "WaitingPart",
    "cancel_allocation",
    "check_request",
    "check_site",
    "command_of_ranks",
    "command_on_node",
    "command_on_nodes",
    "core_numbers",
    "decide",
    "is_only_ours",
    "job_templates_folder",
    "launch_program",
    "left_out_nodes",
    "load_site",
    "minutes_of",
    "near_gpus",
    "node_name",
    "processors_per_node",
    "read_folder",
    "ready_that_fit",
    "refresh",
    "refuse_unless_found_again",
    "render_script",
    "script_of",
    "site_configs_folder",
    "site_names",
    "site_text",
    "submit_allocation",
    "submit_batch",
    "submit_chain",
    "webhook_address",
    "with_mail",
    "write_folder",
    "write_script",
    "wrong_sizes",
]
