"""Signing in."""

SENTENCES = {
    "sign_in.title": ("Sign in", "登录", "登入"),
    "sign_in.name": ("Name", "用户名", "使用者名稱"),
    "sign_in.password": ("Password", "密码", "密碼"),
    "sign_in.go_on": ("Continue", "继续", "繼續"),
    "sign_in.no_account": (
        "Whoever runs the server makes accounts, and helps where a password or a phone is lost.",
        "账户由服务器管理员创建；忘记密码或手机丢失时也请联系管理员。",
        "帳戶由伺服器管理員建立；忘記密碼或手機遺失時也請聯絡管理員。",
    ),
    "sign_in.code_title": ("Code from your phone", "手机验证码", "手機驗證碼"),
    "sign_in.code_says": (
        "Type the six digits that your authenticator app shows now.",
        "请输入身份验证器应用当前显示的六位数字。",
        "請輸入驗證器應用程式目前顯示的六位數字。",
    ),
    "sign_in.code": ("Six digits", "六位数字", "六位數字"),
    "sign_in.six_digits": ("Six digits, 0 to 9", "六位数字 0–9", "六位數字 0–9"),
    "sign_in.sign_in": ("Sign in", "登录", "登入"),
    "sign_in.other": ("Not you? Begin again", "不是您？重新开始", "不是您？重新開始"),
    "sign_in.set_up_title": ("Your first time here", "首次登录", "首次登入"),
    "sign_in.own_password": ("1. A password of your own", "1. 设置您自己的密码", "1. 設定您自己的密碼"),
    "sign_in.new_password": ("New password", "新密码", "新密碼"),
    "sign_in.password_hint": (
        "12 characters or more; four words that do not belong together are good.",
        "至少 12 个字符；用几个互不相关的词组合起来就很好。",
        "至少 12 個字元；用幾個互不相關的詞組合起來就很好。",
    ),
    "sign_in.again": ("The same again", "再次输入", "再次輸入"),
    "sign_in.phone": ("2. Codes from your phone", "2. 手机验证码", "2. 手機驗證碼"),
    "sign_in.scan": (
        "Scan this with an authenticator app, then type the six digits that it shows.",
        "用身份验证器应用扫描下图，然后输入其显示的六位数字。",
        "用驗證器應用程式掃描下圖，然後輸入其顯示的六位數字。",
    ),
    "sign_in.qr": ("QR code for an authenticator app", "供身份验证器应用扫描的二维码", "供驗證器應用程式掃描的二維碼"),
    "sign_in.by_hand": ("Or type it there by hand:", "或手动输入：", "或手動輸入："),
    "done.signed_out": ("You are signed out everywhere.", "您已在所有设备上退出。", "您已在所有裝置上登出。"),
}
