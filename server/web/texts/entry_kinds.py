"""Kinds of journal entries."""

_OPERATIONS = {
    "sale": ("Sale", "消费", "消費"),
    "refund": ("Refund", "退款", "退款"),
    "topup": ("Top-up", "充值", "加值"),
    "load": ("Load", "圈存", "圈存"),
    "close": ("Card closed", "销卡", "註銷卡"),
}
_STAGES = {
    "prepared": ("begun", "开始", "開始"),
    "settled": ("done", "完成", "完成"),
    "voided": ("given up", "作废", "作廢"),
    "torn": ("torn", "中断", "中斷"),
}
_OTHERS = {
    "booted": ("Started", "启动", "啟動"),
    "shift_opened": ("Shift opened", "开班", "開班"),
    "shift_closed": ("Shift closed", "交班", "交班"),
    "vend_dispensed": ("Goods delivered", "已出货", "已出貨"),
    "vend_failed": ("Goods not delivered", "出货失败", "出貨失敗"),
    "vend_unknown": ("Delivery unknown", "出货未知", "出貨不明"),
    "pin_tried": ("PIN tried", "输入密码", "輸入密碼"),
    "card_blocked": ("Card blocked", "卡已锁定", "卡已鎖定"),
    "card_begun": ("Card begun", "开始制卡", "開始製卡"),
    "card_issued": ("Card issued", "发卡", "發卡"),
    "card_rekeyed": ("Card keys changed", "更换卡密钥", "更換卡金鑰"),
    "card_erased": ("Card erased", "擦除卡", "清除卡"),
    "sale_refused": ("Sale refused", "拒绝消费", "拒絕消費"),
    "cash_sale": ("Cash sale", "现金销售", "現金銷售"),
    "drawer_opened": ("Drawer opened", "打开钱箱", "打開錢箱"),
    "receipt_reprinted": ("Receipt printed again", "重印小票", "重印收據"),
    "price_overridden": ("Price changed by hand", "手工改价", "手動改價"),
    "lists_applied": ("Lists applied", "应用名单", "套用名單"),
    "clock_changed": ("Clock set", "校准时钟", "校正時鐘"),
    "fault": ("Fault", "故障", "故障"),
    "checkpoint": ("Checkpoint", "检查点", "檢查點"),
    "epoch_ended": ("Journal ended", "日志结束", "日誌結束"),
}


def _step(operation: str, stage: str) -> tuple[str, str, str]:
    (en, hans, hant), (en_stage, hans_stage, hant_stage) = _OPERATIONS[operation], _STAGES[stage]
    return f"{en}, {en_stage}", f"{hans}（{hans_stage}）", f"{hant}（{hant_stage}）"


SENTENCES = {f"kind.{kind}": words for kind, words in _OTHERS.items()} | {
    f"kind.{operation}_{stage}": _step(operation, stage) for operation in _OPERATIONS for stage in _STAGES
}
