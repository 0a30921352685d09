"""The look of django-unfold."""

from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.enums import ActionVariant
from unfold.widgets import INPUT_CLASSES
from unfold.widgets import UnfoldAdminDecimalFieldWidget as DecimalInput
from unfold.widgets import UnfoldAdminIntegerFieldWidget as IntegerInput
from unfold.widgets import UnfoldAdminSelectWidget as Select
from unfold.widgets import UnfoldAdminTextareaWidget as Textarea
from unfold.widgets import UnfoldAdminTextInputWidget as TextInput
from unfold.widgets import UnfoldBooleanSwitchWidget as Switch

__all__ = [
    "PRIMARY",
    "DecimalInput",
    "IntegerInput",
    "ModelAdmin",
    "Select",
    "Switch",
    "TextInput",
    "Textarea",
    "action",
    "day_classes",
    "display",
]

PRIMARY = ActionVariant.PRIMARY
day_classes = " ".join(INPUT_CLASSES)
