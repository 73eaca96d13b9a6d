(* First-order approximation along a filter, and the chain rule.

   Let t run along a filter Fl (t -> 0+, or y -> x0 in R^k), and let s t >= 0 be a scale that tends to 0.

   - appr Fl s F c l   says  F t = c + l t + o(s t):  l is the first-order part of F, measured by s;
   - bigO Fl s l       says  l t = O(s t);
   - has_grad k F x0 G says that F : R^k -> R has the Frechet gradient G at x0, that is
                       F y = F x0 + <G, y - x0> + o(|y - x0|).

   A gradient (the scale |y - x0| near x0), a derivative of a function of one variable (R^1) and a right
   derivative (the scale t as t -> 0+) are all approximations in this sense, so every rule of calculus is
   proved once.  The rules are: constants, sums, multiples, and above all the chain rule  appr_comp : if Phi
   has the gradient P at z, and F_i t = z_i + l_i t + o(s t) with l_i t = O(s t), then
       Phi (F t) = Phi z + sum_i P_i l_i t + o(s t).
   No function is asked to be differentiable anywhere but at the one point. *)

From Coq Require Import Reals Lra Lia Arith.
From Coquelicot Require Import Coquelicot.
From Subtheory Require Import Vectors.
Open Scope R_scope.

(* F t = c + l t + o(s t) along the filter Fl: one predicate for every kind of derivative. *)
Definition appr {T : Type} (Fl : (T -> Prop) -> Prop) (s F : T -> R) (c : R) (l : T -> R) : Prop :=
  forall e, 0 < e -> Fl (fun t => Rabs (F t - c - l t) <= e * s t).

(* l = O(s) along Fl *)
Definition bigO {T : Type} (Fl : (T -> Prop) -> Prop) (s l : T -> R) : Prop :=
  exists K, 0 <= K /\ Fl (fun t => Rabs (l t) <= K * s t).

(* s >= 0 and s -> 0 along Fl *)
Definition scale {T : Type} (Fl : (T -> Prop) -> Prop) (s : T -> R) : Prop :=
  Fl (fun t => 0 <= s t) /\ forall d, 0 < d -> Fl (fun t => s t < d).

(* neighbourhoods of x0 in R^k *)
Definition nbhd (k : nat) (x0 : vec) (P : vec -> Prop) : Prop :=
  exists d, 0 < d /\ forall y, nrm k (vsub y x0) < d -> P y.

Global Instance nbhd_filter k x0 : Filter (nbhd k x0).
Proof.
  constructor.
  - exists 1. split; [lra | trivial].
  - intros P Q [d1 [Hd1 H1]] [d2 [Hd2 H2]]. exists (Rmin d1 d2). split; [apply Rmin_pos; assumption|].
    intros y Hy. split.
    + apply H1. apply Rlt_le_trans with (1 := Hy). apply Rmin_l.
    + apply H2. apply Rlt_le_trans with (1 := Hy). apply Rmin_r.
  - intros P Q HPQ [d [Hd H]]. exists d. split; [exact Hd|].
    intros y Hy. apply HPQ, H, Hy.
Qed.

Lemma nbhd_scale k x0 : scale (nbhd k x0) (fun y => nrm k (vsub y x0)).
Proof.
  split.
  - apply filter_forall. intros y. apply nrm_nonneg.
  - intros d Hd. exists d. split; [exact Hd | trivial].
Qed.

(* Frechet differentiability on R^k, written out *)
Definition has_grad (k : nat) (F : vec -> R) (x0 G : vec) : Prop :=
  forall e, 0 < e -> exists d, 0 < d /\ forall y, nrm k (vsub y x0) < d ->
    Rabs (F y - F x0 - dot k G (vsub y x0)) <= e * nrm k (vsub y x0).
Definition differentiable (k : nat) (F : vec -> R) (x0 : vec) : Prop := exists G, has_grad k F x0 G.

(* a fixed factor K in front of an error term can be made as small as one likes *)
Lemma small_factor K e : 0 <= K -> 0 < e -> exists e', 0 < e' /\ forall r, 0 <= r -> K * (e' * r) <= e * r.
Proof.
  intros HK He. exists (e / (K + 1)).
  assert (Hp : 0 < e / (K + 1)) by (apply Rdiv_lt_0_compat; lra).
  split; [exact Hp|]. intros r Hr.
  replace (e * r) with (K * (e / (K + 1) * r) + e / (K + 1) * r) by (field; lra).
  assert (0 <= e / (K + 1) * r) by (apply Rmult_le_pos; lra). lra.
Qed.

(* on R^1 the norm is the absolute value *)
Lemma nrm_1 a : nrm 1 a = Rabs (a 0%nat).
Proof. unfold nrm, dot. simpl. rewrite Rplus_0_l. apply sqrt_Rsqr_abs. Qed.

(* On R^1 the Frechet gradient is the derivative of Coquelicot. *)
Lemma has_grad_1_iff (phi : R -> R) c p :
  has_grad 1 (fun y => phi (y 0%nat)) (fun _ => c) (fun _ => p) <-> is_derive phi c p.
Proof.
  rewrite is_derive_Reals. split.
  - intros H e He. destruct (H (e / 2)) as [d [Hd Hb]]; [lra|].
    exists (mkposreal d Hd). simpl. intros h Hh0 Hh.
    specialize (Hb (fun _ => c + h)). rewrite nrm_1 in Hb. unfold vsub, dot in Hb. simpl in Hb.
    replace (c + h - c) with h in Hb by ring. specialize (Hb Hh).
    assert (Hp : 0 < Rabs h) by (apply Rabs_pos_lt, Hh0).
    apply Rmult_lt_reg_r with (1 := Hp). rewrite <- Rabs_mult.
    replace (((phi (c + h) - phi c) / h - p) * h)
      with (phi (c + h) - phi c - (0 + p * h)) by (field; exact Hh0).
    apply Rle_lt_trans with (1 := Hb). apply Rmult_lt_compat_r; lra.
  - intros H e He. destruct (H e He) as [d Hb]. exists d. split; [apply cond_pos|].
    intros y. rewrite nrm_1. unfold vsub, dot. simpl. rewrite Rplus_0_l. intros Hy.
    destruct (Req_dec (y 0%nat - c) 0) as [H0|H0].
    + replace (y 0%nat) with c by lra. rewrite Rabs_pos_eq by lra.
      apply Req_le. replace (c - c) with 0 by ring. rewrite Rabs_R0. ring.
    + specialize (Hb _ H0 Hy). replace (c + (y 0%nat - c)) with (y 0%nat) in Hb by ring.
      replace (phi (y 0%nat) - phi c - p * (y 0%nat - c))
        with (((phi (y 0%nat) - phi c) / (y 0%nat - c) - p) * (y 0%nat - c)) by (field; exact H0).
      rewrite Rabs_mult. apply Rmult_le_compat_r; [apply Rabs_pos | lra].
Qed.

Section Calculus.
Context {T : Type} (Fl : (T -> Prop) -> Prop) {FF : Filter Fl} (s : T -> R).

Lemma appr_ext_loc F G c l : appr Fl s F c l -> Fl (fun t => F t = G t) -> appr Fl s G c l.
Proof.
  intros H E e He. generalize (filter_and _ _ (H e He) E). apply filter_imp.
  intros t [Ht <-]. exact Ht.
Qed.

Lemma appr_ext F G c l : appr Fl s F c l -> (forall t, F t = G t) -> appr Fl s G c l.
Proof. intros H E. apply appr_ext_loc with F; [exact H | apply filter_forall, E]. Qed.

Lemma appr_ext_lin F c l l' : appr Fl s F c l -> (forall t, l t = l' t) -> appr Fl s F c l'.
Proof.
  intros H E e He. generalize (H e He). apply filter_imp. intros t Ht. rewrite <- E. exact Ht.
Qed.

(* a function that is equal to c + l t near the limit is approximated by it *)
Lemma appr_exact F c l : scale Fl s -> Fl (fun t => F t = c + l t) -> appr Fl s F c l.
Proof.
  intros [S _] H e He. generalize (filter_and _ _ S H). apply filter_imp. intros t [Hs ->].
  replace (c + l t - c - l t) with 0 by ring. rewrite Rabs_R0. apply Rmult_le_pos; lra.
Qed.

Lemma appr_const c : scale Fl s -> appr Fl s (fun _ => c) c (fun _ => 0).
Proof. intros S. apply appr_exact; [exact S|]. apply filter_forall. intros t. ring. Qed.

Lemma appr_plus F G c d l m :
  appr Fl s F c l -> appr Fl s G d m -> appr Fl s (fun t => F t + G t) (c + d) (fun t => l t + m t).
Proof.
  intros HF HG e He. assert (He2 : 0 < e / 2) by lra.
  generalize (filter_and _ _ (HF _ He2) (HG _ He2)). apply filter_imp. intros t [H1 H2].
  replace (F t + G t - (c + d) - (l t + m t)) with ((F t - c - l t) + (G t - d - m t)) by ring.
  apply Rle_trans with (1 := Rabs_triang _ _). lra.
Qed.

Lemma appr_scal a F c l :
  scale Fl s -> appr Fl s F c l -> appr Fl s (fun t => a * F t) (a * c) (fun t => a * l t).
Proof.
  intros [S _] HF e He. destruct (small_factor (Rabs a) e (Rabs_pos a) He) as [e' [He' Hb]].
  generalize (filter_and _ _ S (HF _ He')). apply filter_imp. intros t [Hs H].
  replace (a * F t - a * c - a * l t) with (a * (F t - c - l t)) by ring. rewrite Rabs_mult.
  apply Rle_trans with (2 := Hb _ Hs). apply Rmult_le_compat_l; [apply Rabs_pos | exact H].
Qed.

Lemma appr_sum n (F : nat -> T -> R) c l : scale Fl s ->
  (forall i, (i < n)%nat -> appr Fl s (F i) (c i) (l i)) ->
  appr Fl s (fun t => rsum n (fun i => F i t)) (rsum n c) (fun t => rsum n (fun i => l i t)).
Proof.
  intros S. induction n as [|n IH]; simpl; intros H.
  - apply appr_const, S.
  - apply appr_plus; [apply IH; intros i Hi|]; apply H; lia.
Qed.

Lemma bigO_plus l m : scale Fl s -> bigO Fl s l -> bigO Fl s m -> bigO Fl s (fun t => l t + m t).
Proof.
  intros _ [K [HK H]] [K' [HK' H']]. exists (K + K'). split; [lra|].
  generalize (filter_and _ _ H H'). apply filter_imp. intros t [Ht Ht'].
  apply Rle_trans with (1 := Rabs_triang _ _). lra.
Qed.

Lemma bigO_scal a l : scale Fl s -> bigO Fl s l -> bigO Fl s (fun t => a * l t).
Proof.
  intros _ [K [HK H]]. exists (Rabs a * K). split; [apply Rmult_le_pos; [apply Rabs_pos | exact HK]|].
  generalize H. apply filter_imp. intros t Ht. rewrite Rabs_mult, Rmult_assoc.
  apply Rmult_le_compat_l; [apply Rabs_pos | exact Ht].
Qed.

Lemma bigO_sum n (l : nat -> T -> R) : scale Fl s ->
  (forall i, (i < n)%nat -> bigO Fl s (l i)) -> bigO Fl s (fun t => rsum n (fun i => l i t)).
Proof.
  intros S. induction n as [|n IH]; simpl; intros H.
  - exists 0. split; [lra|]. apply filter_forall. intros t. rewrite Rabs_R0. lra.
  - apply bigO_plus; [exact S | apply IH; intros i Hi|]; apply H; lia.
Qed.

(* F - c is of the order of s as soon as its first-order part is *)
Lemma appr_bigO F c l : appr Fl s F c l -> bigO Fl s l -> bigO Fl s (fun t => F t - c).
Proof.
  intros HF [K [HK H]]. exists (1 + K). split; [lra|].
  generalize (filter_and _ _ (HF 1 Rlt_0_1) H). apply filter_imp. intros t [H1 H2].
  replace (F t - c) with ((F t - c - l t) + l t) by ring.
  apply Rle_trans with (1 := Rabs_triang _ _). lra.
Qed.

(* a vector is of the order of s as soon as its coordinates are *)
Lemma bigO_nrm n (a : nat -> T -> R) : scale Fl s ->
  (forall i, (i < n)%nat -> bigO Fl s (a i)) -> bigO Fl s (fun t => nrm n (fun i => a i t)).
Proof.
  intros S H.
  destruct (bigO_sum n (fun i t => Rabs (a i t)) S) as [K [HK HB]].
  { intros i Hi. destruct (H i Hi) as [K [HK HB]]. exists K. split; [exact HK|].
    generalize HB. apply filter_imp. intros t Ht. rewrite Rabs_Rabsolu. exact Ht. }
  exists K. split; [exact HK|]. generalize HB. apply filter_imp. intros t Ht.
  rewrite Rabs_pos_eq by apply nrm_nonneg.
  apply Rle_trans with (1 := nrm_le_sum n (fun i => a i t)).
  apply Rle_trans with (1 := Rle_abs _). exact Ht.
Qed.

(* The chain rule: Phi (F t) = Phi z + <P, l t> + o(s t), if P is the gradient of Phi at z = lim F. *)
Theorem appr_comp n (Phi : vec -> R) (z P : vec) (F l : nat -> T -> R) : scale Fl s ->
  has_grad n Phi z P ->
  (forall i, (i < n)%nat -> appr Fl s (F i) (z i) (l i)) ->
  (forall i, (i < n)%nat -> bigO Fl s (l i)) ->
  appr Fl s (fun t => Phi (fun i => F i t)) (Phi z) (fun t => rsum n (fun i => P i * l i t)).
Proof.
  intros S HPhi HF Hl e He. pose proof S as [S0 S1]. assert (He2 : 0 < e / 2) by lra.
  (* |F t - z| <= M s t *)
  destruct (bigO_nrm n (fun i t => F i t - z i) S) as [M [HM HB]].
  { intros i Hi. apply appr_bigO with (l i); [apply HF | apply Hl]; exact Hi. }
  destruct (small_factor M (e / 2) HM He2) as [e' [He' Hsmall]].
  destruct (HPhi e' He') as [d [Hd HPd]].
  (* the linear part: <P, F t> = <P, z> + <P, l t> + o(s t) *)
  assert (HL : appr Fl s (fun t => rsum n (fun i => P i * F i t)) (rsum n (fun i => P i * z i))
                 (fun t => rsum n (fun i => P i * l i t))).
  { apply (appr_sum n (fun i t => P i * F i t) (fun i => P i * z i) (fun i t => P i * l i t) S).
    intros i Hi. apply appr_scal; [exact S | apply HF, Hi]. }
  assert (Hd' : 0 < d / (M + 1)) by (apply Rdiv_lt_0_compat; lra).
  generalize (filter_and _ _ (filter_and _ _ S0 (S1 _ Hd')) (filter_and _ _ HB (HL _ He2))).
  apply filter_imp. intros t [[Hs Hsd] [HBt HLt]].
  set (N := nrm n (fun i => F i t - z i)) in HBt. rewrite Rabs_pos_eq in HBt by apply nrm_nonneg.
  assert (HN : N < d).
  { apply Rle_lt_trans with (1 := HBt).
    apply Rle_lt_trans with ((M + 1) * s t); [lra|].
    replace d with ((M + 1) * (d / (M + 1))) by (field; lra). apply Rmult_lt_compat_l; lra. }
  specialize (HPd (fun i => F i t) HN).
  change (nrm n (vsub (fun i => F i t) z)) with N in HPd.
  assert (HD : dot n P (vsub (fun i => F i t) z)
               = rsum n (fun i => P i * F i t) - rsum n (fun i => P i * z i)).
  { unfold dot, vsub. rewrite <- rsum_minus. apply rsum_ext. intros i Hi. ring. }
  rewrite HD in HPd.
  assert (He'N : e' * N <= e / 2 * s t).
  { apply Rle_trans with (2 := Hsmall _ Hs).
    replace (M * (e' * s t)) with (e' * (M * s t)) by ring. apply Rmult_le_compat_l; lra. }
  apply Rabs_le_between in HPd. apply Rabs_le_between in HLt. apply Rabs_le_between. lra.
Qed.

(* ... with a function of one variable outside *)
Lemma appr_comp1 (phi : R -> R) (p : R) F c l : scale Fl s ->
  is_derive phi c p -> appr Fl s F c l -> bigO Fl s l ->
  appr Fl s (fun t => phi (F t)) (phi c) (fun t => p * l t).
Proof.
  intros S Hphi HF Hl.
  apply appr_ext_lin with (fun t => rsum 1 (fun i => p * l t)).
  - apply (appr_comp 1 (fun y => phi (y 0%nat)) (fun _ => c) (fun _ => p) (fun _ => F) (fun _ => l) S).
    + apply has_grad_1_iff, Hphi.
    + intros i Hi. exact HF.
    + intros i Hi. exact Hl.
  - intros t. simpl. ring.
Qed.
End Calculus.

Lemma at_right_scale : scale (at_right 0) (fun t => t).
Proof.
  split.
  - exists (mkposreal 1 Rlt_0_1). intros t _ Ht. lra.
  - intros d Hd. exists (mkposreal d Hd). intros t Hb Ht.
    change (Rabs (t - 0) < d) in Hb. apply Rabs_lt_between in Hb. lra.
Qed.

Lemma has_grad_appr k F x0 G :
  has_grad k F x0 G <-> appr (nbhd k x0) (fun y => nrm k (vsub y x0)) F (F x0) (fun y => dot k G (vsub y x0)).
Proof. split; intros H; exact H. Qed.
