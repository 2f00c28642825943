"""Cashiers' shifts."""

SENTENCES = {
    "shifts.title": ("Shift {number} of {tid}", "{tid} 第 {number} 班", "{tid} 第 {number} 班"),
    "shifts.day": ("Business day", "营业日", "營業日"),
    "shifts.all": ("All terminals", "所有终端", "所有終端機"),
    "shifts.show": ("Show", "查看", "查看"),
    "shifts.day_before": ("Day before", "前一天", "前一天"),
    "shifts.day_after": ("Day after", "后一天", "後一天"),
    "shifts.of_day": ("Shifts of {day}", "{day} 的班次", "{day} 的班次"),
    "shifts.none": (
        "No shift was opened or closed on this day.",
        "当天没有开班或交班记录。",
        "當天沒有開班或交班記錄。",
    ),
    "shifts.shift": ("Shift", "班次", "班次"),
    "shifts.cashier": ("Cashier", "收银员", "收銀員"),
    "shifts.from_to": ("From, to", "起止时间", "起訖時間"),
    "shifts.opened": ("Opened", "开班", "開班"),
    "shifts.closed": ("Closed", "交班", "交班"),
    "shifts.open": ("Open", "未交班", "未交班"),
    "shifts.sales": ("Sales", "笔数", "筆數"),
    "shifts.sold": ("Sold", "销售额", "銷售額"),
    "shifts.refunds": ("Refunded", "退款", "退款"),
    "shifts.cash": ("Cash that moved", "现金净流入", "現金淨流入"),
    "shifts.counted": ("Counted", "实点", "實點"),
    "shifts.expected": ("Expected", "应有", "應有"),
    "shifts.expected_books": ("Expected by the books", "账面应有", "帳面應有"),
    "shifts.so_far": ("so far", "截至目前", "截至目前"),
    "shifts.difference": ("Difference", "差额", "差額"),
    "shifts.too_much": ("too much", "长款", "長款"),
    "shifts.too_little": ("too little", "短款", "短款"),
    "shifts.case": ("Case {number}", "差异 {number}", "差異 {number}"),
    "shifts.by_people": ("Counted by two people", "由两人清点", "由兩人清點"),
    "shifts.count_waits": ("A count is not booked", "有清点未入账", "有清點未入帳"),
    "shifts.again": (
        "Counted again at {at}, which is kept aside:",
        "{at} 再次清点，未入账：",
        "{at} 再次清點，未入帳：",
    ),
    "shifts.sum": ("Sum", "合计", "合計"),
    "shifts.sum_says": (
        "Expected and difference add up those that were counted.",
        "应有和差额的合计仅含已清点的班次。",
        "應有和差額的合計僅含已清點的班次。",
    ),
    "shifts.left": ("Open shifts that nobody has counted", "未清点的班次", "未清點的班次"),
    "shifts.left_says": (
        "Their terminals have not closed them. If one cannot any more, two people count its drawer.",
        "终端尚未交班。若终端已无法交班，请由两人清点钱箱。",
        "終端機尚未交班。若終端機已無法交班，請由兩人清點錢箱。",
    ),
    "shifts.none_left": ("Every other drawer was counted.", "其他钱箱均已清点。", "其他錢箱均已清點。"),
    "shifts.in_drawer": ("Should lie in it", "钱箱内应有", "錢箱內應有"),
    "shifts.drawer": ("The drawer, by the books", "钱箱（账面）", "錢箱（帳面）"),
    "shifts.began": ("At the opening", "开班时", "開班時"),
    "shifts.came": ("Came", "收入", "收入"),
    "shifts.went": ("Went", "支出", "支出"),
    "shifts.z": ("Z report", "Z 报表", "Z 報表"),
    "shifts.x": ("X report", "X 报表", "X 報表"),
    "shifts.z_says": (
        "What the terminal itself wrote at its count.",
        "终端清点时自行记录的数字。",
        "終端機清點時自行記錄的數字。",
    ),
    "shifts.journal": ("By cards, of the journal that is here", "卡操作（已收到的日志）", "卡操作（已收到的日誌）"),
    "shifts.no_cards": ("No card has moved money in it.", "没有卡交易。", "沒有卡交易。"),
    "operation.sale": ("Sales by card", "刷卡消费", "刷卡消費"),
    "operation.refund": ("Refunds onto cards", "退款到卡", "退款到卡"),
    "operation.topup": ("Top-ups", "充值", "加值"),
    "operation.load": ("Loads collected", "领取圈存", "領取圈存"),
    "operation.close": ("Cards closed", "销卡", "註銷卡"),
    "shifts.count": ("Count the drawer", "清点钱箱", "清點錢箱"),
    "shifts.count_says": (
        (
            "Only where the terminal cannot close the shift any more: it is lost, broken or replaced. What was counted "
            "goes to the vault, the difference is the operator's. It takes two people, who type the very same; the "
            "second one may as well confirm it under the decisions of two people."
        ),
        (
            "仅适用于终端已无法交班的情况：丢失、损坏或被替换。实点现金转入金库，差额由运营方承担。此操作需要双人复核，"
            "两人须输入完全相同的内容；第二人也可在“双人复核”页面确认。"
        ),
        (
            "僅適用於終端機已無法交班的情況：遺失、損壞或被替換。實點現金轉入金庫，差額由營運方承擔。此操作需要雙人覆核，"
            "兩人須輸入完全相同的內容；第二人也可在「雙人覆核」頁面確認。"
        ),
    ),
    "shifts.count_ask": (
        "Hand in this drawer with what you have counted? It cannot be counted a second time.",
        "确定按清点结果上缴该钱箱吗？之后无法再次清点。",
        "確定按清點結果上繳該錢箱嗎？之後無法再次清點。",
    ),
    "shifts.lay_in_it": ("What lay in it (¥)", "实点金额（元）", "實點金額（元）"),
    "shifts.reason": ("Why it is counted by hand", "人工清点的原因", "人工清點的原因"),
    "shifts.evidence": ("Evidence, such as the number of a protocol", "凭据，例如清点单编号", "憑據，例如清點單編號"),
    "shifts.count_do": ("Hand it in", "上缴", "上繳"),
    "shifts.waits": (
        "{who} has proposed a count; a second person confirms it under",
        "{who} 已提出清点，须由另一人确认：",
        "{who} 已提出清點，須由另一人確認：",
    ),
    "done.shift_counted": ("The drawer is handed in.", "钱箱已上缴。", "錢箱已上繳。"),
    "done.shift_proposed": (
        "The count is proposed. A second person who decides has to confirm it.",
        "清点已提出，须由另一位有决定权的人员确认。",
        "清點已提出，須由另一位有決定權的人員確認。",
    ),
    "problem.shift_goes_on": (
        "The terminal still writes this journal: close the shift there, or declare the terminal lost.",
        "终端仍在写入该日志：请在终端上交班，或将终端报失。",
        "終端機仍在寫入該日誌：請在終端機上交班，或將終端機報失。",
    ),
    "problem.drawer_counted": (
        "This drawer was counted before: its cash is in the vault, the difference is an operating loss.",
        "该钱箱已清点过：现金在金库，差额在运营损失。",
        "該錢箱已清點過：現金在金庫，差額在營運損失。",
    ),
    "problem.no_such_date": ("There is no such date.", "没有这个日期。", "沒有這個日期。"),
    "problem.no_such_shift": ("There is no such shift.", "没有这个班次。", "沒有這個班次。"),
}
