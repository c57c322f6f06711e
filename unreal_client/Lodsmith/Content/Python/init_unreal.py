"""Run by the engine when the editor starts."""

import unreal

# A commandlet runs what its -script says, and has no use for menus.
if "-run=" not in unreal.SystemLibrary.get_command_line().lower():
    from lodsmith import menus, panel
    from lodsmith.session import session

    session().run_in_editor(panel.follow_tab)
    menus.register()
