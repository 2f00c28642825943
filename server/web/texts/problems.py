"""What went wrong, by the code of the problem; what is not named here is shown as the server says it, in English."""

SENTENCES = {
    "problem.title": ("Not done", "未完成", "未完成"),
    "problem.not_done": ("Not done.", "未完成。", "未完成。"),
    "problem.back": ("To the overview", "回到总览", "回到總覽"),
    "problem.unexpected": (
        "The server failed ({kind}); its log says where. Nothing is half done.",
        "服务器出错（{kind}），详情见其日志。没有任何操作只做了一半。",
        "伺服器出錯（{kind}），詳情見其日誌。沒有任何操作只做了一半。",
    ),
    "problem.unreachable": (
        "The server cannot be reached. Nothing was done as far as can be seen here; look again before you repeat it.",
        "无法连接服务器。就此处所见未做任何更改；重试前请先核实。",
        "無法連線伺服器。就此處所見未做任何更改；重試前請先核實。",
    ),
    "problem.database_busy": (
        "The database cannot be used now; nothing was done. Try again in a few seconds.",
        "数据库暂时不可用，未做任何更改。请过几秒再试。",
        "資料庫暫時無法使用，未做任何更改。請過幾秒再試。",
    ),
    "problem.wrong_sign_in": (
        "Name, password or code are not right. Codes change every half minute and count once.",
        "用户名、密码或验证码不正确。验证码每半分钟更换一次，且只能使用一次。",
        "使用者名稱、密碼或驗證碼不正確。驗證碼每半分鐘更換一次，且只能使用一次。",
    ),
    "problem.account_locked": (
        "Too many wrong passwords or codes. Wait a quarter of an hour, then try again.",
        "密码或验证码错误次数过多。请等待一刻钟后再试。",
        "密碼或驗證碼錯誤次數過多。請等待一刻鐘後再試。",
    ),
    "problem.too_often": (
        "Too many attempts from this address. Wait a minute, then try again.",
        "该地址尝试次数过多。请等待一分钟后再试。",
        "此位址嘗試次數過多。請等待一分鐘後再試。",
    ),
    "problem.codes_unreadable": (
        "The server cannot check your codes any more. Whoever runs it gives you a new password and a new code to scan.",
        "服务器已无法核对您的验证码。请联系服务器管理人员，重新领取密码并扫描新的二维码。",
        "伺服器已無法核對您的驗證碼。請聯絡伺服器管理人員，重新領取密碼並掃描新的二維碼。",
    ),
    "problem.sign_in_again": ("Sign in again.", "请重新登录。", "請重新登入。"),
    "problem.stale_form": (
        "This form is not of your present session. Load the page again, then repeat it.",
        "此表单不属于当前会话。请重新加载页面后再操作。",
        "此表單不屬於目前的工作階段。請重新載入頁面後再操作。",
    ),
    "problem.not_allowed": (
        "Your role does not allow this. Somebody else of the house must do it.",
        "您的角色无权执行此操作，请由其他有权限的人员办理。",
        "您的角色無權執行此操作，請由其他有權限的人員辦理。",
    ),
    "problem.http_404": ("There is no such page.", "没有这个页面。", "沒有這個頁面。"),
    "problem.passwords_differ": (
        "The two new passwords are not the same.",
        "两次输入的新密码不一致。",
        "兩次輸入的新密碼不一致。",
    ),
    "problem.password_short": (
        "The new password needs at least 12 characters.",
        "新密码至少需要 12 个字符。",
        "新密碼至少需要 12 個字元。",
    ),
    "problem.password_long": (
        "The new password may have at most 128 characters.",
        "新密码最多 128 个字符。",
        "新密碼最多 128 個字元。",
    ),
    "problem.password_easy": (
        "The new password is easy to guess: it repeats few characters, or holds your name.",
        "新密码太容易猜到：重复的字符过多，或包含您的用户名。",
        "新密碼太容易猜到：重複的字元過多，或包含您的使用者名稱。",
    ),
}
