"""Machines that wait to become terminals."""

SENTENCES = {
    "enrolments.title": ("Enrolments waiting", "待批准的注册", "待核准的註冊"),
    "enrolments.says": (
        (
            "Somebody stands at each of these machines. Compare the words here with those on the machine's own screen, "
            "over the telephone if need be: if they are the same, nobody sits in between."
        ),
        "每台机器旁都应有人。请将此处的词与机器自己屏幕上的词核对，必要时通过电话：若完全一致，则无人居中作梗。",
        "每台機器旁都應有人。請將此處的詞與機器自己螢幕上的詞核對，必要時透過電話：若完全一致，則無人居中作梗。",
    ),
    "enrolments.none": ("No machine waits.", "没有等待的机器。", "沒有等待的機器。"),
    "enrolments.wants": ("A machine wants to be {tid}", "一台机器申请成为 {tid}", "一台機器申請成為 {tid}"),
    "enrolments.words": ("The four words", "四个核对词", "四個核對詞"),
    "enrolments.terminal": ("Terminal", "终端", "終端機"),
    "enrolments.device": ("Device", "设备", "裝置"),
    "enrolments.asked": ("Asked", "申请时间", "申請時間"),
    "enrolments.minutes": ("{count} min ago", "{count} 分钟前", "{count} 分鐘前"),
    "enrolments.tier_before": ("before:", "此前：", "先前："),
    "enrolments.approved_by": ("Approved by", "已批准", "已核准"),
    "enrolments.second": (
        "a second person who decides is needed",
        "还需一位有决定权的人员",
        "還需一位有決定權的人員",
    ),
    "enrolments.type": (
        "Type the four words as the machine shows them",
        "请输入机器屏幕上显示的四个词",
        "請輸入機器螢幕上顯示的四個詞",
    ),
    "enrolments.four_words": (
        "Four words of five letters each",
        "四个词，每个五个字母",
        "四個詞，每個五個字母",
    ),
    "enrolments.approve": ("Approve", "批准", "核准"),
    "enrolments.other_words": (
        "Other words turn the machine away and raise an alarm; it then begins again with the same code.",
        "如果词不一致，该机器将被拒绝并触发警报；之后可用同一注册码重新开始。",
        "如果詞不一致，該機器將被拒絕並觸發警報；之後可用同一註冊碼重新開始。",
    ),
    "enrolments.refuse": ("Refuse", "拒绝", "拒絕"),
    "enrolments.refuse_says": (
        "This is not the machine that was meant: it is turned away, and its claim code ends.",
        "这不是所指的机器：它将被拒绝，注册码随之作废。",
        "這不是所指的機器：它將被拒絕，註冊碼隨之作廢。",
    ),
    "enrolments.refuse_ask": (
        "Refuse the machine that wants to be {tid}, and end its claim code?",
        "确定拒绝申请成为 {tid} 的机器并作废其注册码吗？",
        "確定拒絕申請成為 {tid} 的機器並作廢其註冊碼嗎？",
    ),
    "done.machine_approved": (
        "The machine is this terminal now; it fetches its certificate by itself.",
        "该机器已成为此终端，将自行获取证书。",
        "該機器已成為此終端機，將自行取得憑證。",
    ),
    "done.machine_proposed": (
        (
            "Approved by one person. As this terminal has rights, a second person who decides has to approve it with "
            "the words too."
        ),
        "已由一人批准。此终端具有权限，须由另一位有决定权的人员同样凭核对词批准。",
        "已由一人核准。此終端機具有權限，須由另一位有決定權的人員同樣憑核對詞核准。",
    ),
    "done.machine_refused": (
        "The machine is turned away, and its claim code has ended.",
        "机器已被拒绝，注册码已作废。",
        "機器已被拒絕，註冊碼已作廢。",
    ),
    "problem.other_words": (
        (
            "These are not the words of this machine: somebody may sit in between. It was turned away; the right one "
            "begins again with the same code."
        ),
        "这不是该机器的核对词：可能有人居中作梗。该机器已被拒绝；正确的机器可用同一注册码重新开始。",
        "這不是該機器的核對詞：可能有人居中作梗。該機器已被拒絕；正確的機器可用同一註冊碼重新開始。",
    ),
    "problem.not_waiting": (
        "No machine waits here any more.",
        "此处已没有等待的机器。",
        "此處已沒有等待的機器。",
    ),
    "problem.key_shut_out": (
        "The machine's journal key was revoked or declared lost; it needs a new one.",
        "该机器的日志密钥已被吊销或报失，需要新的密钥。",
        "該機器的日誌金鑰已被撤銷或報失，需要新的金鑰。",
    ),
}
