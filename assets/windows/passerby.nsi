; The installer of the window for Windows: for the one who runs it, without the rights of an administrator.
; `cargo xtask package` gives VERSION, KILOBYTES, PROGRAM (the program), ROOT (the repository) and OUTPUT (what is made).

Unicode true
SetCompressor /SOLID lzma
ManifestDPIAware true
RequestExecutionLevel user

!define NAME "Passerby"
!define UNINSTALL "Software\Microsoft\Windows\CurrentVersion\Uninstall\${NAME}"
!define SCHEME "Software\Classes\passerby"

Name "${NAME}"
OutFile "${OUTPUT}"
InstallDir "$LOCALAPPDATA\Programs\${NAME}"
InstallDirRegKey HKCU "Software\${NAME}" "Folder"

!include "MUI2.nsh"
!define MUI_ICON "${ROOT}/assets/icon/passerby.ico"
!define MUI_UNICON "${ROOT}/assets/icon/passerby.ico"
!define MUI_FINISHPAGE_RUN "$INSTDIR\passerby.exe"
!insertmacro MUI_PAGE_DIRECTORY
!insertmacro MUI_PAGE_INSTFILES
!insertmacro MUI_PAGE_FINISH
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE "English"
!insertmacro MUI_LANGUAGE "German"
!insertmacro MUI_LANGUAGE "Spanish"
!insertmacro MUI_LANGUAGE "Hindi"
!insertmacro MUI_LANGUAGE "SimpChinese"

VIProductVersion "${VERSION}.0"
VIAddVersionKey /LANG=1033 "ProductName" "${NAME}"
VIAddVersionKey /LANG=1033 "ProductVersion" "${VERSION}"
VIAddVersionKey /LANG=1033 "FileVersion" "${VERSION}"
VIAddVersionKey /LANG=1033 "FileDescription" "Installs ${NAME}"
VIAddVersionKey /LANG=1033 "LegalCopyright" "The Passerby contributors"

Section
  SetShellVarContext current
  SetOutPath "$INSTDIR"
  File "/oname=passerby.exe" "${PROGRAM}"
  File "${ROOT}/assets/icon/passerby.ico"
  File "/oname=LICENSE-MIT.txt" "${ROOT}/LICENSE-MIT"
  File "/oname=LICENSE-APACHE.txt" "${ROOT}/LICENSE-APACHE"
  File "/oname=LICENSE-FONT.txt" "${ROOT}/assets/fonts/OFL.txt"
  CreateShortcut "$SMPROGRAMS\${NAME}.lnk" "$INSTDIR\passerby.exe" "" "$INSTDIR\passerby.ico"

  WriteRegStr HKCU "Software\${NAME}" "Folder" "$INSTDIR"
  ; Links such as passerby://HOST ask in the window whether to use that server.
  WriteRegStr HKCU "${SCHEME}" "" "URL:${NAME}"
  WriteRegStr HKCU "${SCHEME}" "URL Protocol" ""
  WriteRegStr HKCU "${SCHEME}\DefaultIcon" "" "$INSTDIR\passerby.ico"
  WriteRegStr HKCU "${SCHEME}\shell\open\command" "" '"$INSTDIR\passerby.exe" "%1"'

  WriteUninstaller "$INSTDIR\uninstall.exe"
  WriteRegStr HKCU "${UNINSTALL}" "DisplayName" "${NAME}"
  WriteRegStr HKCU "${UNINSTALL}" "DisplayVersion" "${VERSION}"
  WriteRegStr HKCU "${UNINSTALL}" "DisplayIcon" "$INSTDIR\passerby.ico"
  WriteRegStr HKCU "${UNINSTALL}" "Publisher" "The Passerby contributors"
  WriteRegStr HKCU "${UNINSTALL}" "InstallLocation" "$INSTDIR"
  WriteRegStr HKCU "${UNINSTALL}" "UninstallString" '"$INSTDIR\uninstall.exe"'
  WriteRegStr HKCU "${UNINSTALL}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
  WriteRegDWORD HKCU "${UNINSTALL}" "EstimatedSize" ${KILOBYTES}
  WriteRegDWORD HKCU "${UNINSTALL}" "NoModify" 1
  WriteRegDWORD HKCU "${UNINSTALL}" "NoRepair" 1
SectionEnd

; Takes away what was installed, and nothing of what the person has chosen or is known by.
Section "Uninstall"
  SetShellVarContext current
  Delete "$SMPROGRAMS\${NAME}.lnk"
  Delete "$INSTDIR\passerby.exe"
  Delete "$INSTDIR\passerby.ico"
  Delete "$INSTDIR\LICENSE-MIT.txt"
  Delete "$INSTDIR\LICENSE-APACHE.txt"
  Delete "$INSTDIR\LICENSE-FONT.txt"
  Delete "$INSTDIR\uninstall.exe"
  RMDir "$INSTDIR"
  DeleteRegKey HKCU "${UNINSTALL}"
  DeleteRegKey HKCU "${SCHEME}"
  DeleteRegKey HKCU "Software\${NAME}"
SectionEnd
